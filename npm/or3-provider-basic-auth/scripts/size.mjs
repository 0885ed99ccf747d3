// Fails when a part that a page loads has grown over its limit: its own code and styles, compressed, without Vue, Nuxt
// UI and what is loaded later.
import { gzipSync } from 'node:zlib'
import vue from '@vitejs/plugin-vue'
import { build } from 'vite'

const limits = { AuthButton: 4, SignInDialog: 15, AccountDialog: 25 }
const kilobyte = 1024

const { output } = await build({
  configFile: false,
  logLevel: 'error',
  plugins: [vue()],
  build: {
    write: false,
    minify: 'esbuild',
    cssCodeSplit: true,
    rollupOptions: {
      input: Object.fromEntries(Object.keys(limits).map(name => [name, `src/runtime/account/components/${name}.vue`])),
      external: ['vue', /^@nuxt\/ui\//, /vite\/preload-helper/], // what every page of the host has anyway
      preserveEntrySignatures: 'strict',
    },
  },
})

const byName = new Map(output.map(part => [part.fileName, part]))

function collect(fileName, seen) {
  const chunk = byName.get(fileName)
  if (!chunk || seen.has(fileName)) return seen
  seen.add(fileName)
  for (const css of chunk.viteMetadata?.importedCss ?? []) seen.add(css)
  for (const imported of chunk.imports) collect(imported, seen)
  return seen
}

let failed = false
for (const [name, limit] of Object.entries(limits)) {
  const entry = output.find(part => part.type === 'chunk' && part.isEntry && part.name === name)
  const text = [...collect(entry.fileName, new Set())].map(file => byName.get(file)).map(part => part.code ?? part.source).join('\n')
  const size = gzipSync(text, { level: 9 }).length / kilobyte
  const over = size > limit
  failed ||= over
  process.stdout.write(`${over ? 'TOO LARGE' : 'ok       '} ${name.padEnd(14)} ${size.toFixed(1)} of ${limit} KB\n`)
}
process.exitCode = failed ? 1 : 0
