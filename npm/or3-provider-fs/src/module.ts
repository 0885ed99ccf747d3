import { defineNuxtModule, useLogger } from '@nuxt/kit'
import { advice, type HostConfig } from './advice'

/** The module has no options: the host's own configuration says which provider is active. */
export type ModuleOptions = Record<never, never>

export default defineNuxtModule<ModuleOptions>({
  meta: {
    name: 'or3-provider-fs',
    configKey: 'or3Fs',
    compatibility: { nuxt: '>=3.0.0' },
  },
  setup(_options, nuxt) {
    if (nuxt.options.dev) return
    const log = useLogger('or3-provider-fs')
    for (const { level, text } of advice(nuxt.options.runtimeConfig as HostConfig)) log[level](text)
  },
})
