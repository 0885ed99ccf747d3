/** Hooks of modules that the host brings. */

import type { WorkerOptions } from './build'

declare module '@nuxt/schema' {
  interface NuxtHooks {
    /** From @vite-pwa/nuxt. */
    'pwa:beforeBuildServiceWorker': (options: WorkerOptions) => void
  }
}
