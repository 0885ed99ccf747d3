// What an app is told.
import type { SyncErrorCode } from './errors.js'
import type { Row } from './tables.js'

/** What sync does at present. */
export type SyncState
  /** It has not asked the server yet. */
  = | 'starting'
  /** Changes are on their way, in one direction or the other. */
    | 'syncing'
  /** All is here and there. Changes of others come at once. */
    | 'live'
  /** Another tab of this browser syncs for all of them, and has not said yet how far it is. */
    | 'following'
  /** The server cannot be reached, or cannot help at present. It is tried again. */
    | 'offline'
  /** No one is signed in. Edits are kept. */
    | 'signed-out'
  /** The database belongs to another account than the one that is signed in. Nothing is sent or received. */
    | 'other-account'
  /** The workspace is gone, or the user is no longer a member. Edits are kept. */
    | 'forbidden'
  /** The browser has no room, or its database cannot be used. */
    | 'storage'
  /** `close` was called. */
    | 'closed'

/** How far sync is. */
export interface SyncStatus {
  state: SyncState
  /** How many rows wait to be sent. */
  pending: number
  /** The user may read the workspace and not write to it: edits stay on this device. */
  readOnly: boolean
  /** When all was last here and there, in milliseconds; null if never since the page was loaded. */
  syncedAt: number | null
  /** Why it does not go on, in states of which that is told. */
  error: { code: SyncErrorCode, message: string } | null
}

/** The events, by their names. */
export interface SyncEvents {
  /** The status has changed. */
  status: SyncStatus
  /** Rows of other devices were written. Queries of `liveQuery` have seen them. */
  received: { rows: number }
  /** Rows have reached the server. */
  sent: { rows: number }
  /** An edit of this device was not sent yet and another one is newer. `undefined` stands for a deleted row. */
  conflict: { table: string, key: string, lost: Row | undefined, won: Row | undefined }
  /**
   * The server does not take a row. It stays on this device, and is sent again when it is edited, at the next start,
   * and by `retry`.
   */
  refused: { table: string, key: string, code: string, message: string }
  /**
   * The database does not take a row of another device, such as one that breaks a unique index. It is kept, and tried
   * again.
   */
  unapplied: { table: string, key: string, message: string }
  /** The session belongs to another user or workspace than the database. */
  account: { message: string }
  /** The device's clock is off by so many milliseconds. Sync goes by the server's. */
  clock: { ahead: number }
  /** The browser has no room, or its database was closed or deleted under way. */
  storage: { code: 'quota' | 'database', message: string }
  /** A file has come further. */
  file: { hash: string, direction: 'upload' | 'download', state: string, message?: string }
  /** Something did not work and is tried again. */
  error: { code: SyncErrorCode, message: string }
}

/** Tells of an event. */
export type Emit = <K extends keyof SyncEvents>(name: K, event: SyncEvents[K]) => void

/** Whom events are told. */
export class Listeners {
  readonly #listeners = new Map<string, Set<(event: never) => void>>()

  on<K extends keyof SyncEvents>(name: K, listener: (event: SyncEvents[K]) => void): () => void {
    const all = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, all)
    // Each registration is one of its own, also of the same function.
    const own = (event: SyncEvents[K]): void => listener(event)
    all.add(own)
    return () => void all.delete(own)
  }

  emit: Emit = (name, event) => {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(event as never)
      }
      catch (error) {
        // A mistake of a listener is the page's, and must not stop sync.
        reportLater(error)
      }
    }
  }
}

function reportLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
