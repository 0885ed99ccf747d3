import { addPrerenderRoutes, addServerHandler, addServerPlugin, createResolver, defineNuxtModule, useLogger } from '@nuxt/kit'
import { carryEngine, type NitroLike } from 'or3-cloud-engine/build'
import { askNoOtherHost, copyNoOtherSQLite, goOnWithoutPages, isClient, keepExternalsAbsolute, letBuildEnd, resolveAsCopied, shell, withFallback, type Renderer } from './build'
import { selected, type HostConfig } from './runtime/selection'

/** The module has no options: the host's own configuration says which provider is active. */
export type ModuleOptions = Record<never, never>

export default defineNuxtModule<ModuleOptions>({
  meta: {
    name: 'or3-provider-sqlite',
    configKey: 'or3Sqlite',
    compatibility: { nuxt: '>=3.0.0' },
  },
  setup(_options, nuxt) {
    const selection = selected(nuxt.options.runtimeConfig as HostConfig)
    if (!Object.values(selection).includes(true)) return

    const { resolve } = createResolver(import.meta.url)
    addServerPlugin(resolve('./runtime/server/plugins/register'))
    if (selection.sync) {
      addServerHandler({ route: '/api/sync/events', method: 'get', handler: resolve('./runtime/server/api/events.get') })
    }

    nuxt.hook('vite:extendConfig', (config, { isServer }) => {
      if (isServer) keepExternalsAbsolute(config)
    })
    nuxt.hook('nitro:config', copyNoOtherSQLite)
    nuxt.hook('nitro:init', (nitro) => {
      letBuildEnd(nitro as Renderer)
      carryEngine(nitro as unknown as NitroLike)
      resolveAsCopied(nitro as unknown as NitroLike)
    })

    if (!selection.sync || !isClient(nuxt.options)) return
    addPrerenderRoutes(shell)
    nuxt.hook('pwa:beforeBuildServiceWorker', withFallback)
    nuxt.hook('nitro:config', goOnWithoutPages)
    nuxt.hook('modules:done', () => askNoOtherHost(nuxt.options.appConfig))
    useLogger('or3-provider-sqlite').info('OR3 Cloud synchronizes: serve the public folder of this build with or3-cloud serve --web.')
  },
})
