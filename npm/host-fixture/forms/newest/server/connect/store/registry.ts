import { Named, type Registration } from '../../utils/named'

const stores = new Named<Registration<unknown>>()

/** Registers a store of Connect, which the fixture does not have. */
export function registerConnectStore(registration: Registration<unknown>): void {
  stores.register(registration.id, registration)
}

export const hasConnectStore = (id: string): boolean => stores.has(id)
