// While the app is written the server is another program; in use it serves the app: or3-cloud serve --web dist
export default { server: { proxy: { '/api': { target: 'http://127.0.0.1:3000', changeOrigin: false } } } }
