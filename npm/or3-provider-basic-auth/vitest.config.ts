import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import ui from '@nuxt/ui/vite'
import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'

// No promise is behind this limit, in milliseconds: it ends what would hang, on a machine however busy.
const patience = 300_000

/** What stands in for the modules of a host. */
const host = fileURLToPath(new URL('./test/nuxt.ts', import.meta.url))

// The file name says where a test runs: *.browser.test.ts in the machine's Chromium, *.server.test.ts in Node with the
// real engine, the others in Node.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          testTimeout: patience,
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.browser.test.ts', 'test/**/*.server.test.ts'],
          environment: 'node',
        },
      },
      {
        resolve: {
          alias: [
            { find: /^~~\/.*$/, replacement: host },
            { find: '#imports', replacement: host },
            { find: '#or3-basic-auth/activations', replacement: fileURLToPath(new URL('./src/runtime/server/activations.ts', import.meta.url)) },
          ],
        },
        test: {
          name: 'server',
          testTimeout: patience,
          hookTimeout: patience,
          include: ['test/**/*.server.test.ts'],
          globalSetup: ['../or3-cloud-engine/test/program.ts'],
          environment: 'node',
        },
      },
      {
        plugins: [
          vue(),
          // Nuxt UI brings two auto-import plugins; nothing here may depend on them, so they get nothing to do.
          ui({ dts: false, components: { dirs: [], resolvers: [] }, autoImport: { imports: [], dirs: [] }, colorMode: false }),
        ],
        optimizeDeps: {
          include: ['@simplewebauthn/browser', 'axe-core', 'uqr', 'vue', 'vue-router'],
        },
        test: {
          name: 'browser',
          include: ['test/**/*.browser.test.ts'],
          setupFiles: [fileURLToPath(new URL('./test/browser.ts', import.meta.url))],
          testTimeout: 4 * patience,
          expect: { poll: { timeout: patience } },
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] },
            }),
            instances: [{ browser: 'chromium', viewport: { width: 1024, height: 768 } }],
          },
        },
      },
    ],
  },
})
