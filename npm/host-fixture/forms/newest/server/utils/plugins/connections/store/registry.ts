import { Named, type Registration } from '../../../named'

const stores = new Named<Registration<unknown>>()

/** Registers a store of connections of plugins, which the fixture does not load. */
export function registerPluginConnectionStore(registration: Registration<unknown>): void {
  stores.register(registration.id, registration)
}

export const hasPluginConnectionStore = (id: string): boolean => stores.has(id)
