import { addPrerenderRoutes, defineNuxtModule, useLogger } from '@nuxt/kit'
import { askNobodyElse, keepExternalsAbsolute, letBuildEnd, shell, tuneServer, withFallback, type Renderer } from './build'

/** The module has no options: the host's own configuration says which provider is active. */
export type ModuleOptions = Record<never, never>

/** The part of the host's configuration that says who synchronizes. */
interface HostConfig {
  sync?: { enabled?: unknown, provider?: unknown }
}

export default defineNuxtModule<ModuleOptions>({
  meta: {
    name: 'or3-provider-sqlite',
    configKey: 'or3Sqlite',
    compatibility: { nuxt: '>=3.0.0' },
  },
  setup(_options, nuxt) {
    const { sync } = nuxt.options.runtimeConfig as HostConfig
    if (sync?.enabled !== true || sync.provider !== 'sqlite') return

    addPrerenderRoutes(shell)
    nuxt.hook('pwa:beforeBuildServiceWorker', withFallback)
    nuxt.hook('vite:extendConfig', (config, { isServer }) => {
      if (isServer) keepExternalsAbsolute(config)
    })
    nuxt.hook('nitro:config', tuneServer)
    nuxt.hook('nitro:init', nitro => letBuildEnd(nitro as Renderer))
    nuxt.hook('modules:done', () => askNobodyElse(nuxt.options.appConfig))

    if (!nuxt.options.dev) {
      useLogger('or3-provider-sqlite').info('OR3 Cloud synchronizes: serve the public folder of this build with or3-cloud serve --web.')
    }
  },
})
