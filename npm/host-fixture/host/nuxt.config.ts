import { runtimeConfig } from './config'
import { providerModules } from './providers'

const config = runtimeConfig(process.env)

export default defineNuxtConfig({
  modules: ['@nuxt/ui', ...providerModules(config, import.meta.dirname)],
  ssr: true,
  css: ['~/assets/main.css'],
  runtimeConfig: config,
  compatibilityDate: '2025-11-01',
  telemetry: false,
  ui: { fonts: false },
  typescript: { strict: true },
})
