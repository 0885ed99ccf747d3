import { Named } from '../../utils/named'
import type { ProviderTokenBroker } from './types'

const brokers = new Named<() => ProviderTokenBroker>()

export function registerProviderTokenBroker(id: string, create: () => ProviderTokenBroker): void {
  brokers.register(id, create)
}

export const getProviderTokenBroker = (id: string): ProviderTokenBroker | undefined => brokers.get(id)?.()
