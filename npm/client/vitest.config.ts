import { defineConfig } from 'vitest/config'

// No promise is behind these limits, in milliseconds: they end what would hang, on a machine however busy.
const patience = 600_000

export default defineConfig({
  test: {
    testTimeout: patience,
    hookTimeout: patience,
    include: ['test/**/*.test.ts'],
    globalSetup: ['../or3-cloud-engine/test/program.ts'],
    // The servers of parallel files would only take each other's time.
    maxWorkers: 2,
  },
})
