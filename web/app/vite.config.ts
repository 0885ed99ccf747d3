import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import { compression, defineAlgorithm } from 'vite-plugin-compression2'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

// Nuxt UI's own icon component asks a server on the internet for what it does not have. The account components bring
// their icons, so ours draws none.
const noIcons: Plugin = {
  name: 'no-icons',
  enforce: 'pre',
  resolveId: (id, importer) => /\/Icon\.vue$/.test(id) && importer?.includes('@nuxt/ui') ? path('src/NoIcon.vue') : undefined,
}

// What the page has of other packages, for the SBOM of a release (release/sbom): the modules of its scripts, and the
// packages that its style sheets import. It is written into a folder that is not embedded; the list with licences is
// for the pages themselves.
const folders = new Set<string>()
const listPackages: Plugin = {
  name: 'list-packages',
  enforce: 'pre',
  transform(code, id) {
    if (!id.endsWith('.css')) return
    for (const [, name] of code.matchAll(/@import "([^"./][^"]*)"/g)) folders.add(path(`node_modules/${name}`))
  },
  generateBundle(_, bundle) {
    for (const id of Object.values(bundle).flatMap(file => file.type === 'chunk' ? file.moduleIds : [])) {
      const folder = /^[^\0].*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(id)?.[0]
      if (folder) folders.add(folder)
    }
    const packages = [...folders].map(folder => JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Record<'name' | 'version' | 'license', string>)
    const list = (lines: string[]) => `[\n  ${lines.sort().join(',\n  ')}\n]\n`
    this.emitFile({ type: 'asset', fileName: '.vite/packages.json', source: list(packages.map(({ name, version }) => JSON.stringify({ name, version }))) })
    this.emitFile({ type: 'asset', fileName: 'packages.json', source: list(packages.map(({ name, version, license }) => JSON.stringify({ name, version, license }))) })
  },
}

export default defineConfig({
  base: './',
  resolve: {
    alias: { '#account': path('../../npm/or3-provider-basic-auth/src/runtime/account') },
    // The account components lie in a folder of their own, which may have other copies of these, or none.
    dedupe: ['@nuxt/ui', '@simplewebauthn/browser', 'uqr', 'vue'],
  },
  // npm run dev, beside a server that was started with its own defaults.
  server: { proxy: { '/api': 'http://127.0.0.1:3000' } },
  build: {
    outDir: process.env.OUT_DIR ?? '../page',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the policy of the page allows no data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false, // scripts/web tells
    rolldownOptions: {
      input: ['index.html', 'admin.html'],
      // Go embeds no file whose name begins with an underscore.
      output: { chunkFileNames: ({ name }) => `assets/${name.replace(/^_+/, '')}-[hash].js` },
      checks: { pluginTimings: false },
    },
  },
  plugins: [
    noIcons,
    listPackages,
    vue(),
    ui({
      router: false,
      colorMode: false,
      autoImport: false,
      components: false,
      dts: false,
      theme: { colors: ['primary', 'error'] },
      // Classes are made for these and what they consist of; the account components lie outside of what is searched.
      experimental: { componentDetection: ['Badge', 'Button', 'DropdownMenu', 'FormField', 'Input', 'Modal', 'Separator', 'Skeleton', 'Tabs'] },
    }),
    // The server hands these out to browsers that take them (package web).
    compression({ include: /./, exclude: /\.gz$|^\.vite\//, algorithms: [defineAlgorithm('gzip', { level: 9 })], logLevel: 'silent' }),
  ],
})
