export default defineNuxtConfig({
  modules: ['@nuxt/ui', 'or3-provider-basic-auth/nuxt'],
  css: ['~/assets/main.css'],
  runtimeConfig: { public: { ssrAuthEnabled: false, authProvider: '' } },
  compatibilityDate: '2025-11-01',
  telemetry: false,
  ui: { fonts: false },
  typescript: { strict: true },
})
