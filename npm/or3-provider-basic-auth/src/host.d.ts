/** What the host brings: these paths exist only inside its build. */

declare module '#imports' {
  export { defineNuxtPlugin, useRouter, useRuntimeConfig } from 'nuxt/app'
}

declare module '~/composables/auth/useClientAuthStatus.client' {
  export function registerClientAuthStatusResolver(resolve: () => Promise<{ ready: boolean, authenticated: boolean | undefined }>): void
}

declare module '~/composables/auth/useClientSessionRecovery' {
  export function registerClientSessionRecovery(recover: () => Promise<boolean>): void
}

declare module '~/utils/logout-cleanup' {
  export function logoutCleanup(nuxtApp: unknown): void | Promise<void>
}
