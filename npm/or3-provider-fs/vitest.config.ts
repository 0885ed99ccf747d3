import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// No promise is behind these limits, in milliseconds: they end what would hang, on a machine however busy.
const patience = 300_000

/** What stands in for the modules of a host. */
const host = fileURLToPath(new URL('test/nuxt.ts', import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^~~\/.*$/, replacement: host },
      { find: '#imports', replacement: host },
    ],
  },
  test: {
    testTimeout: patience,
    hookTimeout: patience,
    include: ['test/**/*.test.ts'],
    globalSetup: ['../or3-cloud-engine/test/program.ts'], // the real engine
  },
})
