// Who is signed in, and how that changes with the accounts of OR3 Cloud (basic-auth).
import { SyncError } from './errors.js'
import { Http } from './http.js'
import type { Schemas } from './wire.js'

/** Who is signed in. */
export interface Session {
  user: { id: string, email?: string, displayName?: string }
  /** The user's own workspace, or the one last chosen. */
  workspace: { id: string, name: string }
  role: 'owner' | 'editor' | 'viewer'
}

/** The name of the event for session changes, in this tab and in others (contract, client-behaviour §6). */
export const sessionChanged = 'or3:auth-session-changed'

/** Asks who is signed in; null if no one is. */
export async function readSession(http: Http, signal: AbortSignal): Promise<Session | null> {
  const { json } = await http.get('/api/auth/session', signal)
  const { session } = json as Partial<Schemas['SessionAnswer']>
  if (session === undefined) throw new SyncError('bad-answer', 'The response did not come from the server')
  return session?.authenticated && session.user?.id && session.workspace?.id ? session : null
}

/** Tells this tab and all others that someone has signed in or out. */
export function announceSession(): void {
  globalThis.dispatchEvent?.(new Event(sessionChanged))
  try {
    globalThis.localStorage?.setItem(sessionChanged, String(Date.now()))
  }
  catch { /* other tabs ask by themselves, later */ }
}

/** What `createAccount` takes. */
export interface AccountOptions {
  /** The server's address; without it, that of the page. */
  url?: string
  fetch?: typeof globalThis.fetch
}

/** The accounts of a server, as far as an app without account pages of its own needs them. */
export interface Account {
  /** Who is signed in; null if no one is. */
  session: () => Promise<Session | null>
  /**
   * Signs in. The error is `signed-out` if the password is wrong. A second factor needs the account pages of the
   * server.
   */
  signIn: (email: string, password: string) => Promise<void>
  /** Creates an account and signs in. */
  register: (email: string, password: string, more?: { displayName?: string, inviteToken?: string }) => Promise<void>
  /** Signs out. Unsent edits stay in the database. */
  signOut: () => Promise<void>
}

/** Signs people in and out. Sync does not need it: a user of the server's pages is signed in here too. */
export function createAccount({ url = '', fetch = globalThis.fetch.bind(globalThis) }: AccountOptions = {}): Account {
  const http = new Http(url, fetch, Date.now)
  const never = new AbortController().signal
  const change = async (path: string, body: object): Promise<void> => {
    await http.post(`/api/basic-auth/${path}`, body, never)
    announceSession()
  }
  return {
    session: () => readSession(http, never),
    signIn: (email, password) => change('sign-in', { email, password }),
    register: (email, password, more = {}) => change('register', { email, password, confirmPassword: password, ...more }),
    signOut: () => change('sign-out', {}),
  }
}
