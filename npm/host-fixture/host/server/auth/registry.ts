import { Named, type Registration } from '../utils/named'
import type { AuthProvider } from './types'

const providers = new Named<Registration<AuthProvider>>()

export function registerAuthProvider(registration: Registration<AuthProvider>): void {
  providers.register(registration.id, registration)
}

/** Makes the provider, at each call. */
export const getAuthProvider = (id: string): AuthProvider | undefined => providers.get(id)?.create()

export const hasAuthProvider = (id: string): boolean => providers.has(id)
