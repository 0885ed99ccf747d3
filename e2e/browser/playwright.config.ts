import { defineConfig } from '@playwright/test'

// No promise is behind this limit, in milliseconds: it ends what would hang, on a machine however busy.
const patience = 300_000

export default defineConfig({
  testDir: 'tests',
  outputDir: 'results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  retries: 0,
  reporter: [['list', { printSteps: false }]],
  timeout: 4 * patience,
  expect: { timeout: patience },
  use: {
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    contextOptions: { reducedMotion: 'reduce' },
    actionTimeout: patience,
    navigationTimeout: patience,
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      ],
    },
  },
})
