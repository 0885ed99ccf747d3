import type { AuthProvider, ProviderSession } from '~~/server/auth/types'
import type { ProviderTokenBroker } from '~~/server/auth/token-broker/types'
import { id } from '../selection'
import { cloud } from './cloud'

/** Says who has sent a request. What the engine has proven once is remembered, so that most requests ask it nothing. */
export const provider: AuthProvider = {
  name: id,
  async getSession(event) {
    try {
      const proven = await cloud.session(event)
      if (!proven) return null
      const { provider, userId, email, displayName, expiresAt } = proven
      return {
        provider,
        user: { id: userId, ...(email && { email }), ...(displayName && { displayName }) },
        expiresAt: new Date(expiresAt),
      }
    }
    catch (fault) {
      return unknown(fault)
    }
  },
}

/**
 * The session of a user who cannot be looked up now: reading its user throws. In production hosts of early
 * 2026 take an error of getSession itself for "signed out", upon which browsers clean up (contract, auth Pitfall 10);
 * no host does so with what fails later.
 */
function unknown(fault: unknown): ProviderSession {
  return {
    provider: id,
    expiresAt: new Date(),
    get user(): never {
      throw fault
    },
  }
}

/** Accounts of this provider have no tokens at other services (contract, auth §6). */
export const broker: ProviderTokenBroker = {
  getProviderToken: async () => null,
}
