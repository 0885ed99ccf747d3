import { addServerHandler, addServerPlugin, createResolver, defineNuxtModule, useLogger } from '@nuxt/kit'
import { carryEngine, type NitroLike } from 'or3-cloud-engine/build'
import { advice, isClient, type BuildOptions, type HostConfig } from './advice'
import { isSelected, type HostFiles } from './runtime/selection'

/** The module has no options: the host's own configuration says which provider is active. */
export type ModuleOptions = Record<never, never>

export default defineNuxtModule<ModuleOptions>({
  meta: {
    name: 'or3-provider-fs',
    configKey: 'or3Fs',
    compatibility: { nuxt: '>=3.0.0' },
  },
  setup(_options, nuxt) {
    const config = nuxt.options.runtimeConfig as HostConfig & HostFiles
    if (!nuxt.options.dev) {
      const log = useLogger('or3-provider-fs')
      for (const { level, text } of advice(config, isClient(nuxt.options as BuildOptions))) log[level](text)
    }
    if (!isSelected(config)) return

    const { resolve } = createResolver(import.meta.url)
    addServerPlugin(resolve('./runtime/server/plugins/register'))
    addServerHandler({ route: '/api/storage/fs/upload', method: 'put', handler: resolve('./runtime/server/api/upload.put') })
    for (const method of ['get', 'head'] as const) {
      addServerHandler({ route: '/api/storage/fs/download', method, handler: resolve('./runtime/server/api/download.get') })
    }
    nuxt.hook('nitro:init', nitro => carryEngine(nitro as unknown as NitroLike))
  },
})
