import { defineConfig } from 'vitest/config'

// No promise is behind these limits, in milliseconds: they end what would hang, on a machine however busy.
const patience = 600_000

export default defineConfig({
  test: {
    testTimeout: patience,
    hookTimeout: patience,
    include: ['test/**/*.test.ts'],
    fileParallelism: false,
    // Older versions of Node.js have WebSocket behind a flag. Firefox is spoken to by it.
    execArgv: ['--experimental-websocket'],
  },
})
