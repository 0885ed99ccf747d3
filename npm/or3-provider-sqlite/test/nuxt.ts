// What a Nuxt host has, as far as this package uses it: its registries, its session and its rule who may do what.
import { createError, type H3Event } from 'h3'
import type { NitroAppPlugin } from 'nitropack/types'
import type { ProviderAdminAdapter } from '~~/server/admin/providers/registry'
import type { AdminStoreProvider } from '~~/server/admin/stores/registry'
import type { DeploymentAdminChecker } from '~~/server/auth/deployment-admin'
import type { SessionContext } from '~~/server/auth/session'
import type { AuthWorkspaceStore } from '~~/server/auth/store/types'
import type { SyncGatewayAdapter } from '~~/server/sync/gateway/types'
import type { BackgroundJobProvider } from '~~/server/utils/background-jobs/types'
import type { NotificationEmitter } from '~~/server/utils/notifications/registry'
import type { RateLimitProvider } from '~~/server/utils/rate-limit/registry'

class Registry<T> extends Map<string, T> {
  /** What is registered under the id of this provider. */
  get ours(): T {
    const found = this.get('sqlite')
    if (found === undefined) throw new Error('nothing is registered')
    return found
  }
}

export const registries = {
  workspaceStores: new Registry<() => AuthWorkspaceStore>(),
  adminCheckers: new Registry<() => DeploymentAdminChecker>(),
  syncAdapters: new Registry<() => SyncGatewayAdapter>(),
  adminStores: new Registry<AdminStoreProvider>(),
  adminAdapters: new Registry<ProviderAdminAdapter>(),
  rateLimits: new Registry<RateLimitProvider>(),
  emitters: new Registry<NotificationEmitter>(),
  jobs: new Registry<BackgroundJobProvider>(),
}

export function registerAuthWorkspaceStore({ id, create }: { id: string, create: () => AuthWorkspaceStore }): void {
  registries.workspaceStores.set(id, create)
}
export function registerDeploymentAdminChecker(id: string, create: () => DeploymentAdminChecker): void {
  registries.adminCheckers.set(id, create)
}
export function registerSyncGatewayAdapter({ id, create }: { id: string, create: () => SyncGatewayAdapter }): void {
  registries.syncAdapters.set(id, create)
}
export function registerProviderAdminAdapter(adapter: ProviderAdminAdapter): void {
  registries.adminAdapters.set(adapter.id, adapter)
}
export function registerAdminStoreProvider(provider: AdminStoreProvider): void {
  registries.adminStores.set(provider.id, provider)
}
export function registerRateLimitProvider(id: string, provider: RateLimitProvider): void {
  registries.rateLimits.set(id, provider)
}
export function registerNotificationEmitter(id: string, emitter: NotificationEmitter): void {
  registries.emitters.set(id, emitter)
}

export function registerBackgroundJobProvider(id: string, provider: BackgroundJobProvider): void {
  registries.jobs.set(id, provider)
}

/** The host's runtime configuration. */
export const config: Record<string, unknown> = {}
export const useRuntimeConfig = (): Record<string, unknown> => config

export const defineNitroPlugin = (plugin: NitroAppPlugin): NitroAppPlugin => plugin

/** The host's session of a request; tests put it there. */
export async function resolveSessionContext({ context }: H3Event): Promise<SessionContext> {
  return (context.session as SessionContext | undefined) ?? { authenticated: false }
}

/** A session acts on its active workspace only. */
export function requireCan(session: SessionContext, _permission: string, resource?: { id?: string }): void {
  if (!session.authenticated) throw createError({ statusCode: 401, statusMessage: 'Unauthorized' })
  if (!session.role || (resource?.id && resource.id !== session.workspace?.id)) {
    throw createError({ statusCode: 403, statusMessage: 'Forbidden' })
  }
}
