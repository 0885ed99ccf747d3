/** What the host provides: these paths exist only inside its build. */

declare module '#imports' {
  export { defineNitroPlugin } from 'nitropack/runtime'
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

/** The server side, from the contract: auth §1, §2 and §6, host-integration §4 and §8, workspaces-and-admin §8. */

declare module '~~/server/auth/types' {
  import type { H3Event } from 'h3'

  export interface ProviderSession {
    provider: string
    user: { id: string, email?: string, displayName?: string }
    expiresAt: Date
    claims?: Record<string, unknown>
  }

  export interface AuthProvider {
    name: string
    /** null is "not signed in". */
    getSession(event: H3Event): Promise<ProviderSession | null>
  }
}

declare module '~~/server/auth/registry' {
  import type { AuthProvider } from '~~/server/auth/types'

  export function registerAuthProvider(item: { id: string, order?: number, create: () => AuthProvider }): void
}

declare module '~~/server/auth/session' {
  import type { H3Event } from 'h3'
  import type { HostSession } from 'or3-cloud-engine/nitro'

  export function resolveSessionContext(event: H3Event): Promise<HostSession>
}

declare module '~~/server/auth/token-broker/types' {
  import type { H3Event } from 'h3'

  export interface ProviderTokenBroker {
    getProviderToken(event: H3Event, request: { providerId: string, template?: string }): Promise<string | null>
  }
}

declare module '~~/server/auth/token-broker/registry' {
  import type { ProviderTokenBroker } from '~~/server/auth/token-broker/types'

  export function registerProviderTokenBroker(id: string, create: () => ProviderTokenBroker): void
}

declare module '~~/server/admin/providers/registry' {
  import type { ProviderAdmin } from 'or3-cloud-engine/nitro'

  export function registerProviderAdminAdapter(adapter: ProviderAdmin): void
}

/** Newer hosts only, so only the file that the module selects for them imports it. */
declare module '~~/server/utils/plugins/isolation/activation-registry' {
  export function revokeHostActivationsForUser(userId: string, reason: string): readonly string[]
}

/** One of our two files, depending on what the host has. */
declare module '#or3-basic-auth/activations' {
  import type { H3Event } from 'h3'

  export function activationsOf(event: H3Event): Promise<() => void>
}
