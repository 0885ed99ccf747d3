// The events for apps.
import type { SyncErrorCode } from './errors.js'
import type { Row } from './tables.js'

/** The current state of sync. */
export type SyncState
  /** It has not contacted the server yet. */
  = | 'starting'
  /** Changes are on their way, in one direction or the other. */
    | 'syncing'
  /** Everything is in sync. Changes of others arrive at once. */
    | 'live'
  /** Another tab of this browser syncs for all of them, and has not reported its progress yet. */
    | 'following'
  /** The server is unreachable or cannot help right now. Sync retries. */
    | 'offline'
  /** No one is signed in. Edits are kept. */
    | 'signed-out'
  /** The database belongs to an account that is not signed in. Nothing is sent or received. */
    | 'other-account'
  /** The workspace is gone, or the user is no longer a member. Edits are kept. */
    | 'forbidden'
  /** The browser has no space left, or its database cannot be used. */
    | 'storage'
  /** `close` was called. */
    | 'closed'

/** The status of sync. */
export interface SyncStatus {
  state: SyncState
  /** How many rows wait to be sent. */
  pending: number
  /** The user may read the workspace but not write to it: edits stay on this device. */
  readOnly: boolean
  /** When everything was last in sync, in milliseconds; null if never since the page was loaded. */
  syncedAt: number | null
  /** Why sync has stopped, in the states that have a reason. */
  error: { code: SyncErrorCode, message: string } | null
}

/** The events, by name. */
export interface SyncEvents {
  /** The status has changed. */
  status: SyncStatus
  /** Rows from other devices were written. `liveQuery` has already seen them. */
  received: { rows: number }
  /** Rows have reached the server. */
  sent: { rows: number }
  /** An unsent edit of this device lost against a newer one. `undefined` stands for a deleted row. */
  conflict: { table: string, key: string, lost: Row | undefined, won: Row | undefined }
  /**
   * The server does not accept a row. It stays on this device, and is sent again when it is edited, at the next start,
   * and by `retry`.
   */
  refused: { table: string, key: string, code: string, message: string }
  /**
   * The database does not accept a row from another device, such as one that violates a unique index. It is kept and
   * retried.
   */
  unapplied: { table: string, key: string, message: string }
  /** The session belongs to a different user or workspace than the database. */
  account: { message: string }
  /** How many milliseconds the device's clock is off. Sync uses the server's clock. */
  clock: { ahead: number }
  /** The browser has no space left, or its database was closed or deleted while in use. */
  storage: { code: 'quota' | 'database', message: string }
  /** The state of a file's transfer has changed. */
  file: { hash: string, direction: 'upload' | 'download', state: string, message?: string }
  /** Something failed and will be retried. */
  error: { code: SyncErrorCode, message: string }
}

/** Emits an event. */
export type Emit = <K extends keyof SyncEvents>(name: K, event: SyncEvents[K]) => void

/** The listeners for events. */
export class Listeners {
  readonly #listeners = new Map<string, Set<(event: never) => void>>()

  on<K extends keyof SyncEvents>(name: K, listener: (event: SyncEvents[K]) => void): () => void {
    const all = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, all)
    // Each registration is separate, even for the same function.
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
        // An error in a listener is the page's problem, and must not stop sync.
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
