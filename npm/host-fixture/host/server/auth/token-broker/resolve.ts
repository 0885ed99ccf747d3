import type { H3Event } from 'h3'
import { useRuntimeConfig } from '#imports'
import { getProviderTokenBroker } from './registry'
import type { ProviderTokenRequest } from './types'

/** A token for another service, from the broker of the auth provider. */
export async function resolveProviderToken(event: H3Event, request: ProviderTokenRequest): Promise<string | null> {
  const broker = getProviderTokenBroker(useRuntimeConfig(event).auth.provider)
  return await broker?.getProviderToken(event, request) ?? null
}
