// What the library stores in the app's database, besides the app's own tables.
import type { Dexie, Table } from 'dexie'
import type { Stamp } from './stamp.js'
import type { Change, WireOp } from './wire.js'

/**
 * The tables of the library. Add them to your own in `db.version(…).stores({ …, ...syncStores })`.
 *
 * They are not meant for apps, but reading them does no harm.
 */
export const syncStores = {
  sync_notes: '',
  sync_outbox: 'row, seq',
  sync_revisions: 'row',
  sync_packs: 'first',
  sync_unapplied: 'row, table',
  sync_state: 'id',
  file_meta: 'hash',
  file_blobs: 'hash',
  file_transfers: 'id, state',
} as const

/**
 * Records that the app wrote rows of a table. A note is all that a write of the app costs; `fold` turns notes into
 * writes to send. Their ids, ordered by time, are outside the value: a browser would copy the value to find a
 * key in it.
 */
export interface Note {
  table: string
  keys: string[]
  /** When, by this device's clock, in milliseconds. */
  at: number
  /** The rows were deleted, whether or not they existed. */
  gone?: true
}

/** A row that the server does not have as this device has it. */
export interface Outgoing extends Stamp {
  /** Which row: its table and key on the wire. */
  row: string
  table: string
  key: string
  /** The order in which rows are sent: that of their last writes. */
  seq: string
  /** How many attempts have failed, and when the next one is due, in milliseconds. */
  tries: number
  due: number
  /** Why the server refused it. It stays until the row is written again, or the server accepts it. */
  refused?: { code: string, message: string }
  /**
   * An edit that lost against another device's before it was sent. The server still gets it, for its
   * history.
   */
  lost?: WireOp
}

/** The write that the server has for a row; a deletion if `deleted`. */
export interface Revision extends Stamp {
  row: string
  deleted?: true
}

/** Revisions of many rows that came together, in the order of `rows`. Single revisions take precedence. */
export interface Pack {
  first: string
  rows: string[]
  clocks: number[]
  hlcs: string[]
  opIds: string[]
}

/** A change from another device that the database refuses. */
export interface Unapplied {
  row: string
  table: string
  change: Change
  error: string
}

/** The progress of the device. */
export interface State {
  id: 'sync'
  /** The device's name in stamps, made once for each database, and again for another account. */
  device: string
  /** The last reading of the device's clock. */
  hlc: string
  /** How far the server's clock is ahead of this device's, in milliseconds. */
  ahead: number
  /** The version up to which the server's changes have been applied. */
  cursor: number
  /** Changes with each snapshot, so that no page from before it is applied after it. */
  epoch: number
  /** The owner of the rows, from the first sync on. */
  user?: string
  workspace?: string
  /** The tables whose rows from before they were synced have been captured. */
  adopted?: string[]
  /** The tables that are complete. */
  tables: string[]
  /** Where an unfinished snapshot continues. */
  snapshot?: { token: string | null, id?: string, watermark: number, fresh: boolean }
}

/** A file on its way (contract, storage §11). */
export interface Transfer {
  /** Hash and direction. */
  id: string
  hash: string
  workspace_id: string
  direction: 'upload' | 'download'
  bytes_total: number
  bytes_done: number
  state: 'queued' | 'running' | 'done' | 'failed' | 'pending_upload' | 'remote_missing'
  attempts: number
  last_error?: string
  /** When the next attempt is due, in milliseconds. */
  due: number
  created_at: number
  updated_at: number
}

/** The tables of the library in a database. */
export interface Stores {
  notes: Table<Note, string>
  outbox: Table<Outgoing, string>
  revisions: Table<Revision, string>
  packs: Table<Pack, string>
  unapplied: Table<Unapplied, string>
  state: Table<State, string>
  fileMeta: Table<Record<string, unknown>, string>
  blobs: Table<{ hash: string, blob: Blob }, string>
  transfers: Table<Transfer, string>
}

/** Finds the tables of the library. */
export function storesOf(db: Dexie): Stores {
  for (const name of Object.keys(syncStores)) {
    if (!db.tables.some(t => t.name === name))
      throw new TypeError(`The database ${db.name} has no table ${name}: add ...syncStores to db.version(…).stores({ … })`)
  }
  return {
    notes: db.table('sync_notes'),
    outbox: db.table('sync_outbox'),
    revisions: db.table('sync_revisions'),
    packs: db.table('sync_packs'),
    unapplied: db.table('sync_unapplied'),
    state: db.table('sync_state'),
    fileMeta: db.table('file_meta'),
    blobs: db.table('file_blobs'),
    transfers: db.table('file_transfers'),
  }
}
