/** What a host brings, as far as this package uses it: its registries, its session, and its rule who may do what. */
import { createError, type H3Event } from 'h3'
import type { NitroAppPlugin } from 'nitropack/types'
import type { HostSession, ProviderAdmin } from 'or3-cloud-engine/nitro'
import type { StorageGatewayAdapter } from '~~/server/storage/gateway/types'

export const registered = {
  gateways: new Map<string, () => StorageGatewayAdapter>(),
  admins: new Map<string, ProviderAdmin>(),
}

export function registerStorageGatewayAdapter({ id, create }: { id: string, create: () => StorageGatewayAdapter }): void {
  registered.gateways.set(id, create)
}

export function registerProviderAdminAdapter(adapter: ProviderAdmin): void {
  registered.admins.set(`${adapter.kind}:${adapter.id}`, adapter)
}

/** The runtime configuration; tests change it. */
export const config: Record<string, unknown> = {}
export const useRuntimeConfig = (): Record<string, unknown> => config

export const defineNitroPlugin = (plugin: NitroAppPlugin): NitroAppPlugin => plugin

/** The host's session of a browser, by what it calls itself in a header. */
export const sessions = new Map<string, HostSession>()

export async function resolveSessionContext(event: H3Event): Promise<HostSession> {
  return sessions.get(event.node.req.headers['x-browser'] as string) ?? { authenticated: false }
}

/** A session acts on its active workspace alone, and viewers write nothing. */
export function requireCan(session: HostSession, permission: string, resource: { id: string }): void {
  if (!session.authenticated) throw createError({ statusCode: 401, statusMessage: 'Unauthorized' })
  const may = session.role && (session.role !== 'viewer' || permission === 'workspace.read') && resource.id === session.workspace?.id
  if (!may) throw createError({ statusCode: 403, statusMessage: 'Forbidden' })
}
