import type { SessionState } from '../account/session/status'
import { nothingUnsent, type Unsent } from '../account/unsent/unsent'

/** What the host wants to know about the session; undefined means unknown, which is not a sign-out. */
export interface ClientAuthStatus {
  ready: boolean
  authenticated: boolean | undefined
}

/**
 * clientAuthStatus tells it. A host that believes in a sign-out clears the workspaces that it is set to clear: as long
 * as their edits are on no server, a session that has ended elsewhere is none. A user who signed out here was asked.
 */
export function clientAuthStatus({ status }: SessionState, { cleared }: Unsent = nothingUnsent): ClientAuthStatus {
  if (status === 'signedIn') return { ready: true, authenticated: true }
  return { ready: true, authenticated: status === 'unknown' || cleared > 0 ? undefined : false }
}
