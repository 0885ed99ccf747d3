import { createError, type H3Event } from 'h3'
import { useRuntimeConfig } from '#imports'
import { Named, type Registration } from '../../utils/named'
import type { StorageGatewayAdapter } from './types'

const registrations = new Named<Registration<StorageGatewayAdapter>>()

export function registerStorageGatewayAdapter(registration: Registration<StorageGatewayAdapter>): void {
  registrations.register(registration.id, registration)
}

export const hasStorageGatewayAdapter = (id: string): boolean => registrations.has(id)

/** Makes the adapter that the configuration chooses, at each call. */
export function getActiveStorageGatewayAdapter(event?: H3Event): StorageGatewayAdapter | null {
  const { storage, public: { storage: publicStorage } } = useRuntimeConfig(event)
  return registrations.get(publicStorage.provider || storage.provider)?.create() ?? null
}

/** @throws 500 if there is none */
export function activeStorageGatewayAdapter(event: H3Event): StorageGatewayAdapter {
  const adapter = getActiveStorageGatewayAdapter(event)
  if (!adapter) throw createError({ statusCode: 500, statusMessage: 'Storage adapter not configured' })
  return adapter
}
