// The list of files is as workbox writes it; this worker keeps them and answers navigations without a network.
const files = [{ url: '200.html', revision: 'of-the-build' }, { url: 'gone/index.html', revision: 'of-the-build' }, { url: '_nuxt/entry.js', revision: null }]
const name = JSON.stringify(files)
addEventListener('install', event => event.waitUntil(caches.open(name).then(cache => cache.addAll(files.map(({ url }) => url))).then(() => skipWaiting())))
addEventListener('activate', event => event.waitUntil(clients.claim()))
addEventListener('fetch', (event) => {
  if (event.request.mode === 'navigate') event.respondWith(fetch(event.request).catch(() => caches.match('200.html')))
})
