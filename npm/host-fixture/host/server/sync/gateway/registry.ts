import { createError, type H3Event } from 'h3'
import { useRuntimeConfig } from '#imports'
import { Named, type Registration } from '../../utils/named'
import type { SyncGatewayAdapter } from './types'

const registrations = new Named<Registration<SyncGatewayAdapter>>()
const instances = new Map<string, SyncGatewayAdapter>()

export function registerSyncGatewayAdapter(registration: Registration<SyncGatewayAdapter>): void {
  registrations.register(registration.id, registration)
  instances.delete(registration.id)
}

export const hasSyncGatewayAdapter = (id: string): boolean => registrations.has(id)

/** The adapter of an id, which is made once. */
export function getSyncGatewayAdapter(id: string): SyncGatewayAdapter | null {
  const known = instances.get(id) ?? registrations.get(id)?.create()
  if (known) instances.set(id, known)
  return known ?? null
}

/** The adapter that the configuration chooses, or null. */
export function getActiveSyncGatewayAdapter(event?: H3Event): SyncGatewayAdapter | null {
  const { sync, public: { sync: publicSync } } = useRuntimeConfig(event)
  return getSyncGatewayAdapter(publicSync.provider || sync.provider)
}

/** @throws 500 if there is none */
export function activeSyncGatewayAdapter(event: H3Event): SyncGatewayAdapter {
  const adapter = getActiveSyncGatewayAdapter(event)
  if (!adapter) throw createError({ statusCode: 500, statusMessage: 'Sync adapter not configured' })
  return adapter
}
