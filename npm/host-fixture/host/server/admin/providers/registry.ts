import { Named } from '../../utils/named'
import type { ProviderAdminAdapter, ProviderKind } from './types'

const adapters = new Named<ProviderAdminAdapter>()

/** An id can have one adapter of each kind. */
export function registerProviderAdminAdapter(adapter: ProviderAdminAdapter): void {
  adapters.register(`${adapter.kind}:${adapter.id}`, adapter)
}

export function getProviderAdminAdapter(kind: ProviderKind, id: string): ProviderAdminAdapter | undefined {
  return adapters.get(`${kind}:${id}`)
}
