import { existsSync } from 'node:fs'
import { addComponent, addPlugin, createResolver, defineNuxtModule } from '@nuxt/kit'

/** The module has no options: the host's own configuration says which provider is active. */
export type ModuleOptions = Record<never, never>

export default defineNuxtModule<ModuleOptions>({
  meta: {
    name: 'or3-provider-basic-auth',
    configKey: 'or3BasicAuth',
    compatibility: { nuxt: '>=3.0.0' },
  },
  setup(_options, nuxt) {
    const { resolve } = createResolver(import.meta.url)
    const hostHas = (path: string) => existsSync(`${nuxt.options.srcDir}/${path}`)

    // Behind the host's plugins as far as Nuxt lets a module; where a registry opens later, it finds us in its queue.
    addPlugin({ src: resolve('./runtime/host/account.client'), mode: 'client' }, { append: true })
    if (hostHas('composables/auth/useClientSessionRecovery.ts')) {
      addPlugin({ src: resolve('./runtime/host/recovery.client'), mode: 'client' }, { append: true })
    }

    for (const name of ['SignedIn', 'SignedOut']) {
      addComponent({ name: `Or3${name}`, filePath: resolve(`./runtime/account/components/${name}.vue`), mode: 'client' })
    }

    // Found by a scan only when a dialog opens, they would reload a page in development.
    nuxt.options.vite.optimizeDeps ??= {}
    nuxt.options.vite.optimizeDeps.include ??= []
    nuxt.options.vite.optimizeDeps.include.push('or3-provider-basic-auth > @simplewebauthn/browser', 'or3-provider-basic-auth > uqr')
  },
})
