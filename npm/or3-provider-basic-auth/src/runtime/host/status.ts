import type { SessionState } from '../account/session/status'

/** What the host wants to know about the session; undefined means that nobody can say now, which is no sign-out. */
export interface ClientAuthStatus {
  ready: boolean
  authenticated: boolean | undefined
}

export function clientAuthStatus({ status }: SessionState): ClientAuthStatus {
  return { ready: true, authenticated: status === 'unknown' ? undefined : status === 'signedIn' }
}
