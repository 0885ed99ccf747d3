import { addServerPlugin, createResolver, defineNuxtModule } from '@nuxt/kit'

/** A stand-in for another provider of sync and storage, which keeps everything in memory and no files. */
export default defineNuxtModule({
  meta: { name: 'or3-provider-convex' },
  setup() {
    addServerPlugin(createResolver(import.meta.url).resolve('./register.mjs'))
  },
})
