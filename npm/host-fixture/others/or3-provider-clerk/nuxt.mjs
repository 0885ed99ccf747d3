import { addServerPlugin, createResolver, defineNuxtModule } from '@nuxt/kit'

/** A stand-in for another auth provider: the cookie clerk=NAME signs in NAME. */
export default defineNuxtModule({
  meta: { name: 'or3-provider-clerk' },
  setup() {
    addServerPlugin(createResolver(import.meta.url).resolve('./register.mjs'))
  },
})
