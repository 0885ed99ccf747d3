import { Named, type Registration } from '../../named'

const stores = new Named<Registration<unknown>>()

/** Registers a store of webhooks, which the fixture does not send. */
export function registerWebhookStore(registration: Registration<unknown>): void {
  stores.register(registration.id, registration)
}

export const hasWebhookStore = (id: string): boolean => stores.has(id)
