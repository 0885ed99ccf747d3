import type { Or3ErrorCode } from '../api/error'

/**
 * A state machine for who is signed in. A "no" counts only if a renewal was refused as well; an error never counts as a
 * "no".
 *
 *   idle ──look──▶ asking ──no one──▶ renewing ──renewed──▶ confirming ──▶ idle
 *                    │ someone           │ refused
 *                    ▼                   ▼
 *                  idle                idle, signed out (or ended, if someone was here)
 *
 * An error leads back to idle from every state and changes nothing but `problem`.
 */

export interface Person {
  id: string
  email: string
  displayName: string
}

export interface SessionState {
  status: 'unknown' | 'signedOut' | 'signedIn' | 'ended'
  work: 'idle' | 'asking' | 'renewing' | 'confirming'
  /** Who is signed in, or was when the session ended. */
  person: Person | null
  /** Why the last request got no answer. */
  problem: Or3ErrorCode | null
  /**
   * Something happened during a request: the answer may be out of date, so it is discarded and the request repeated.
   */
  again: boolean
}

export type SessionEvent
  = | { type: 'look' }
    | { type: 'signedIn', person: Person }
    | { type: 'signedOut' }
    | { type: 'renewed' }
    | { type: 'refused' }
    | { type: 'failed', code: Or3ErrorCode }
    | { type: 'left' }

export type SessionEffect = 'ask' | 'renew'

export const firstState: SessionState = { status: 'unknown', work: 'idle', person: null, problem: null, again: false }

export function step(state: SessionState, event: SessionEvent): [SessionState, SessionEffect | null] {
  const { work } = state
  if (event.type === 'look') return work === 'idle' ? [{ ...state, work: 'asking' }, 'ask'] : [{ ...state, again: true }, null]
  if (event.type === 'left') return [{ ...firstState, status: 'signedOut', work, again: work !== 'idle' }, null]
  if (work === 'idle') return [state, null]
  if (state.again) return [{ ...state, again: false, work: 'asking' }, 'ask']

  switch (event.type) {
    case 'signedIn':
      return work === 'renewing' ? [state, null] : [{ ...state, work: 'idle', status: 'signedIn', person: event.person, problem: null }, null]
    case 'signedOut':
      if (work === 'asking') return [{ ...state, work: 'renewing' }, 'renew']
      return work === 'confirming' ? [gone(state), null] : [state, null]
    case 'renewed':
      return work === 'renewing' ? [{ ...state, work: 'confirming' }, 'ask'] : [state, null]
    case 'refused':
      return work === 'renewing' ? [gone(state), null] : [state, null]
    case 'failed':
      return [{ ...state, work: 'idle', problem: event.code }, null]
  }
}

function gone(state: SessionState): SessionState {
  return { ...state, work: 'idle', status: state.person ? 'ended' : 'signedOut', problem: null }
}
