export default defineNuxtConfig({
  modules: ['@nuxt/ui', 'or3-provider-basic-auth/nuxt', 'or3-provider-sqlite/nuxt', 'or3-provider-fs/nuxt'],
  css: ['~/assets/main.css'],
  compatibilityDate: '2025-11-01',
  telemetry: false,
  ui: { fonts: false },
  typescript: { strict: true },
})
