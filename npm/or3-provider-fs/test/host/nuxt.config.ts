// What the host reads from its environment when it is built.
const on = (name: string) => process.env[name] === 'true'

export default defineNuxtConfig({
  modules: ['or3-provider-fs/nuxt'],
  runtimeConfig: {
    sync: { enabled: on('OR3_SYNC_ENABLED') },
    storage: { enabled: on('OR3_STORAGE_ENABLED'), provider: process.env.NUXT_PUBLIC_STORAGE_PROVIDER },
  },
  compatibilityDate: '2025-11-01',
  telemetry: false,
})
