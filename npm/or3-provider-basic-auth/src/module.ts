import { existsSync } from 'node:fs'
import { addComponent, addPlugin, addServerHandler, addServerPlugin, createResolver, defineNuxtModule } from '@nuxt/kit'
import { carryEngine, type NitroLike } from 'or3-cloud-engine/build'
import { endpoints, signOut } from './endpoints'
import { isSelected, type HostAuth } from './runtime/selection'

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

    // After the host's plugins, as far as Nuxt allows; a registry that opens later finds us in its queue.
    // A project that does not host OR3 Chat lacks the modules that the plugin imports.
    if (hostHas('composables/auth/useClientAuthStatus.client.ts')) {
      addPlugin({ src: resolve('./runtime/host/account.client'), mode: 'client' }, { append: true })
    }
    if (hostHas('composables/auth/useClientSessionRecovery.ts')) {
      addPlugin({ src: resolve('./runtime/host/recovery.client'), mode: 'client' }, { append: true })
    }

    for (const name of ['SignedIn', 'SignedOut']) {
      addComponent({ name: `Or3${name}`, filePath: resolve(`./runtime/account/components/${name}.vue`), mode: 'client' })
    }

    // If Vite only discovered these when a dialog opens, it would reload the page in development.
    nuxt.options.vite.optimizeDeps ??= {}
    nuxt.options.vite.optimizeDeps.include ??= []
    nuxt.options.vite.optimizeDeps.include.push('or3-provider-basic-auth > @simplewebauthn/browser', 'or3-provider-basic-auth > uqr')

    if (!isSelected(nuxt.options.runtimeConfig as HostAuth)) return
    addServerPlugin(resolve('./runtime/server/plugins/register'))
    for (const { method, route } of endpoints) {
      addServerHandler({ method, route, handler: resolve(`./runtime/server/${route === signOut ? 'sign-out' : 'endpoint'}`) })
    }
    // Importing a module that only newer hosts have would break the build of the others.
    const activations = existsSync(`${nuxt.options.rootDir}/server/utils/plugins/isolation/activation-registry.ts`)
    nuxt.hook('nitro:config', (nitro) => {
      setAlias(nitro, '#or3-basic-auth/activations', resolve(`./runtime/server/${activations ? 'activations' : 'no-activations'}`))
    })
    nuxt.hook('nitro:init', nitro => carryEngine(nitro as unknown as NitroLike))
  },
})

/** setAlias makes Nitro 2 resolve an import to a file. */
function setAlias(nitro: object, name: string, file: string): void {
  const config = nitro as { alias?: Record<string, string> }
  config.alias = { ...config.alias, [name]: file }
}
