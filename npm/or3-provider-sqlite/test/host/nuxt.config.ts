// What the host reads from its environment when it is built.
const on = process.env.OR3_SYNC_ENABLED === 'true'

export default defineNuxtConfig({
  modules: ['or3-provider-sqlite/nuxt'],
  runtimeConfig: { sync: { enabled: on, provider: process.env.OR3_SYNC_PROVIDER } },
  compatibilityDate: '2025-11-01',
  telemetry: false,
})
