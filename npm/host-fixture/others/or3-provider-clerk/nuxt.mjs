import { addServerPlugin, createResolver, defineNuxtModule } from '@nuxt/kit'

/** A stand-in for another auth provider: whoever has the cookie clerk=NAME is NAME. */
export default defineNuxtModule({
  meta: { name: 'or3-provider-clerk' },
  setup() {
    addServerPlugin(createResolver(import.meta.url).resolve('./register.mjs'))
  },
})
