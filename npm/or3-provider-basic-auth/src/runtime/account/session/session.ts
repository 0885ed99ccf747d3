import { shallowReadonly, shallowRef, type ShallowRef } from 'vue'
import type { AccountApi } from '../api/api'
import { isOr3Error } from '../api/error'
import type { Session } from '../api/wire'
import { firstState, step, type Person, type SessionEvent, type SessionEffect, type SessionState } from './status'

/** The event and storage key by which the host and other tabs learn of a sign-in or sign-out. */
export const sessionChanged = 'or3:auth-session-changed'

const staleAfterMs = 60_000

export interface SessionSettings {
  api: Pick<AccountApi, 'session' | 'signOut'>
  renew: () => Promise<boolean>
  window?: Window
  now?: () => number
  /** Runs after the server has confirmed a sign-out. */
  afterSignOut?: () => void | Promise<void>
}

export interface AccountSession {
  state: Readonly<ShallowRef<SessionState>>
  /** look asks the server who is signed in and resolves once that is known. It never rejects. */
  look(): Promise<SessionState>
  /**
   * changed is called after a successful sign-in, registration or change of the password: it looks, then tells the host
   * and other tabs.
   */
  changed(): Promise<SessionState>
  signOut(): Promise<void>
  /** forget is called after a sign-out or an account's deletion: no one is signed in, and all listeners are told. */
  forget(): Promise<void>
  /** start listens to other tabs and to the page becoming visible again; call the result to stop it. */
  start(): () => void
}

export function createSession({ api, renew, window, now = Date.now, afterSignOut }: SessionSettings): AccountSession {
  const state = shallowRef(firstState)
  let next: SessionEffect | null = null
  let running: Promise<void> | null = null
  let lookedAt = -Infinity

  function apply(event: SessionEvent) {
    [state.value, next] = step(state.value, event)
  }

  async function perform(effect: SessionEffect): Promise<SessionEvent> {
    try {
      if (effect === 'renew') return { type: await renew() ? 'renewed' : 'refused' }
      const person = personOf(await api.session())
      return person ? { type: 'signedIn', person } : { type: 'signedOut' }
    }
    catch (error) {
      // An older server refuses a renewal with 401 instead of {"ok":false}.
      if (effect === 'renew' && isOr3Error(error, 'session_expired')) return { type: 'refused' }
      return { type: 'failed', code: isOr3Error(error) ? error.code : 'unexpected' }
    }
  }

  async function drive() {
    while (next) apply(await perform(next))
  }

  async function look() {
    lookedAt = now()
    if (!running) {
      apply({ type: 'look' })
      running = drive().finally(() => {
        running = null
      })
    }
    else {
      apply({ type: 'look' })
    }
    await running
    return state.value
  }

  function announce() {
    try {
      window?.localStorage.setItem(sessionChanged, String(now()))
    }
    catch {
      // Storage may be blocked; other tabs then notice at their next request.
    }
    window?.dispatchEvent(new CustomEvent(sessionChanged))
  }

  async function forget() {
    apply({ type: 'left' })
    await afterSignOut?.()
    await look()
    announce()
  }

  return {
    state: shallowReadonly(state),
    look,
    async changed() {
      await look()
      announce()
      return state.value
    },
    async signOut() {
      await api.signOut()
      await forget()
    },
    forget,
    start() {
      if (!window) return () => {}
      const { document } = window
      const onStorage = (event: StorageEvent) => {
        if (event.key === sessionChanged) void look()
      }
      const onVisible = () => {
        if (document.visibilityState === 'visible' && now() - lookedAt > staleAfterMs) void look()
      }
      window.addEventListener('storage', onStorage)
      document.addEventListener('visibilitychange', onVisible)
      return () => {
        window.removeEventListener('storage', onStorage)
        document.removeEventListener('visibilitychange', onVisible)
      }
    },
  }
}

function personOf(session: Session | null): Person | null {
  if (!session?.authenticated || session.provider !== 'basic-auth' || !session.user) return null
  return { id: session.user.id, email: session.user.email ?? '', displayName: session.user.displayName ?? '' }
}
