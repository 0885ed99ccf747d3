/** What a host brings, as far as the server's half uses it: its registries, its session, its plugin activations. */
import type { H3Event } from 'h3'
import type { NitroAppPlugin } from 'nitropack/types'
import type { HostSession, ProviderAdmin } from 'or3-cloud-engine/nitro'
import type { ProviderTokenBroker } from '~~/server/auth/token-broker/types'
import type { AuthProvider } from '~~/server/auth/types'

export const registered = {
  providers: new Map<string, () => AuthProvider>(),
  brokers: new Map<string, () => ProviderTokenBroker>(),
  admins: new Map<string, ProviderAdmin>(),
}

export function registerAuthProvider({ id, create }: { id: string, create: () => AuthProvider }): void {
  registered.providers.set(id, create)
}

export function registerProviderTokenBroker(id: string, create: () => ProviderTokenBroker): void {
  registered.brokers.set(id, create)
}

export function registerProviderAdminAdapter(adapter: ProviderAdmin): void {
  registered.admins.set(`${adapter.kind}:${adapter.id}`, adapter)
}

/** The runtime configuration; tests change it. */
export const config: Record<string, unknown> = {}
export const useRuntimeConfig = (): Record<string, unknown> => config

export const defineNitroPlugin = (plugin: NitroAppPlugin): NitroAppPlugin => plugin

export const form = {
  /** Whether a fault of the provider looks like "signed out", as on production hosts of early 2026. */
  swallows: true,
}

/** The session of a request. The internal id is that of the account here. */
export async function resolveSessionContext(event: H3Event): Promise<HostSession> {
  const found = await registered.providers.get('basic-auth')?.().getSession(event).catch((error: unknown) => {
    if (form.swallows) return null
    throw error
  })
  if (!found) return { authenticated: false }
  const { provider, user } = found
  return { authenticated: true, provider, providerUserId: user.id, user, workspace: { id: 'w' }, role: 'owner' }
}

/** Whose activations have been revoked, and why. */
export const revoked: { userId: string, reason: string }[] = []

export function revokeHostActivationsForUser(userId: string, reason: string): readonly string[] {
  revoked.push({ userId, reason })
  return []
}
