import type { H3Event } from 'h3'

export interface ProviderSession {
  provider: string
  user: { id: string, email?: string, displayName?: string }
  expiresAt: Date
  claims?: Record<string, unknown>
}

export interface AuthProvider {
  name: string
  /** Resolves to null for who is not signed in; a rejection means that no one can be recognized now. */
  getSession(event: H3Event): Promise<ProviderSession | null>
}
