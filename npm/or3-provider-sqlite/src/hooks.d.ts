/** Hooks of the host's modules. */

import type { WorkerOptions } from './build'

declare module '@nuxt/schema' {
  interface NuxtHooks {
    /** From @vite-pwa/nuxt. */
    'pwa:beforeBuildServiceWorker': (options: WorkerOptions) => void
  }
}
