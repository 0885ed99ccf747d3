import { defineConfig } from 'vitest/config'

// No promise is behind these limits, in milliseconds: they end what would hang, on a machine however busy.
const patience = 1_800_000

export default defineConfig({
  test: {
    testTimeout: patience,
    hookTimeout: patience,
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/release.ts'],
    maxWorkers: 2, // each of them builds hosts, which takes two gigabytes
  },
})
