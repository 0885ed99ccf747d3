import type { SessionState } from '../account/session/status'
import { nothingUnsent, type Unsent } from '../account/unsent/unsent'

/** What the host wants to know about the session; undefined means unknown, which is not a sign-out. */
export interface ClientAuthStatus {
  ready: boolean
  authenticated: boolean | undefined
}

/**
 * clientAuthStatus reports it. After a sign-out, a host clears the workspaces that it is set to clear. So as long
 * as edits are unsent, a session that ended elsewhere is not reported as a sign-out. Users who sign out here are asked.
 */
export function clientAuthStatus({ status }: SessionState, { cleared }: Unsent = nothingUnsent): ClientAuthStatus {
  if (status === 'signedIn') return { ready: true, authenticated: true }
  return { ready: true, authenticated: status === 'unknown' || cleared > 0 ? undefined : false }
}
