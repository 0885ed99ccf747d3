import type { AuthProvider, ProviderSession } from '~~/server/auth/types'
import type { ProviderTokenBroker } from '~~/server/auth/token-broker/types'
import { id } from '../selection'
import { cloud } from './cloud'

/** Says who sent a request. Sessions that the engine has verified are cached, so most requests need no call to it. */
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
 * The session of a user who cannot be looked up right now: reading its user throws. In production, hosts of early
 * 2026 treat an error from getSession as "signed out", and browsers then clean up (contract, auth Pitfall 10);
 * no host does that for errors that come later.
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
