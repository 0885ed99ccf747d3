// Fails when what an app loads of the library has grown over its limit: compressed, without Dexie, which the app has
// anyway.
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

const limit = 15
const kilobyte = 1024

const { output } = await build({
  configFile: false,
  logLevel: 'error',
  build: {
    write: false,
    minify: 'esbuild',
    target: 'es2022',
    rollupOptions: { input: 'src/index.ts', external: ['dexie'], preserveEntrySignatures: 'strict' },
  },
})
const size = gzipSync(output.map(part => part.code ?? part.source).join('\n'), { level: 9 }).length / kilobyte
const over = size > limit
process.stdout.write(`${over ? 'TOO LARGE' : 'ok       '} ${size.toFixed(1)} of ${limit} KB\n`)
process.exitCode = over ? 1 : 0
