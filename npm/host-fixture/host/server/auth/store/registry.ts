import { Named, type Registration } from '../../utils/named'
import type { AuthWorkspaceStore } from './types'

const stores = new Named<Registration<AuthWorkspaceStore>>()

/** Registers a store under the id of its sync provider. */
export function registerAuthWorkspaceStore(registration: Registration<AuthWorkspaceStore>): void {
  stores.register(registration.id, registration)
}

/** Makes the store, at each call. */
export const getAuthWorkspaceStore = (id: string): AuthWorkspaceStore | undefined => stores.get(id)?.create()

export const hasAuthWorkspaceStore = (id: string): boolean => stores.has(id)
