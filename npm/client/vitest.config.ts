import { defineConfig } from 'vitest/config'

// No promise is behind these limits, in milliseconds: they end what would hang, on a machine however busy.
const patience = 600_000

const common = { testTimeout: patience, hookTimeout: patience, globalSetup: ['../or3-cloud-engine/test/program.ts'] }

// The file name says where a test runs: those of *.browser.test.ts start the machine's browsers.
export default defineConfig({
  test: {
    // The servers of parallel files would only take each other's time.
    maxWorkers: 2,
    projects: [
      { test: { ...common, name: 'node', globalSetup: [...common.globalSetup, 'test/schedules/program.ts'], include: ['test/**/*.test.ts'], exclude: ['test/**/*.browser.test.ts'] } },
      // Older versions of Node.js have WebSocket behind a flag. Firefox is spoken to by it.
      { test: { ...common, name: 'browser', include: ['test/**/*.browser.test.ts'], execArgv: ['--experimental-websocket'] } },
    ],
  },
})
