// The database as a replica of a workspace: what happens to the app's writes and the server's changes, each in one
// transaction. Several tabs may do this at the same time: everything is read in the transaction that changes it.
import type { Dexie, Transaction } from 'dexie'
import type { Captures } from './capture.js'
import { SyncError } from './errors.js'
import type { Emit } from './events.js'
import { Inbox } from './inbox.js'
import { Outbox } from './outbox.js'
import type { State, Stores } from './stores.js'
import type { Tables } from './tables.js'
import type { PullAnswer, PushAnswer, SnapshotAnswer, WireOp } from './wire.js'

/**
 * Since the round began, the database was transferred to another account, or replaced. The next round checks
 * whose it is.
 */
export class HandedOver extends Error {}

export class Replica {
  readonly stores: Stores
  readonly #db: Dexie
  readonly #tables: Tables
  readonly #captures: Captures
  readonly #emit: Emit
  readonly #now: () => number
  readonly #outbox: Outbox
  readonly #inbox: Inbox
  #device: string | undefined
  /** The database's name in the current round. Any tab may transfer it to another account in the meantime. */
  #bound = ''
  /** The rows of a snapshot that replaces the local rows. */
  #listed = new Set<string>()

  constructor(db: Dexie, stores: Stores, tables: Tables, captures: Captures, emit: Emit, now: () => number) {
    this.#db = db
    this.stores = stores
    this.#tables = tables
    this.#captures = captures
    this.#emit = emit
    this.#now = now
    this.#outbox = new Outbox(db, stores, tables, now)
    this.#inbox = new Inbox(db, stores, tables, this.#outbox)
  }

  /**
   * Runs one transaction with all synced tables. Its events are emitted once it is committed. A new database gets its
   * state only with `begins`: work from before the old one was deleted does not know whose the new one is.
   */
  async #run<T>(work: (state: State, tell: Emit) => Promise<T>, begins = false): Promise<T> {
    const told: Parameters<Emit>[] = []
    const s = this.stores
    const all = [s.notes, s.outbox, s.revisions, s.packs, s.unapplied, s.state, s.blobs, s.transfers, ...this.#tables.names.map(n => this.#db.table(n))]
    const result = await this.#db.transaction('rw', all, async (tx: Transaction) => {
      this.#captures.exempt(tx)
      const tell = ((...event: Parameters<Emit>) => told.push(event)) as Emit
      const found = await s.state.get('sync')
      if (!found && !begins) throw new SyncError('database', 'The database was deleted')
      if (!found && this.#device) tell('storage', { code: 'database', message: 'The database was deleted. It is filled again from the server; its unsent edits are lost' })
      // Requests of the previous database have another epoch.
      const state = found ?? { id: 'sync', device: newName(), hlc: '', ahead: 0, cursor: 0, epoch: this.#now(), tables: [] }
      const before = JSON.stringify(state)
      const done = await work(state, tell)
      if (!found || JSON.stringify(state) !== before) await s.state.put(state)
      return [done, state.device] as const
    })
    this.#device = result[1]
    for (const event of told) this.#emit(...event)
    return result[0]
  }

  /** Runs a transaction for the user to whom the database is bound. */
  #runBound<T>(work: (state: State, tell: Emit) => Promise<T>): Promise<T> {
    return this.#run((state, tell) => {
      this.check(state)
      return work(state, tell)
    })
  }

  /** Refuses a database that is not the bound one. */
  check({ device }: State): void {
    if (device !== this.#bound) throw new HandedOver()
  }

  /** Prepares the database: rows from before it was synced are edits that have to be sent. */
  async open(): Promise<State> {
    // Dexie does not retry on its own after the browser has refused once, such as while it clears the site's data.
    if (!this.#db.isOpen() && !this.#db.hasBeenClosed()) await this.#db.open()
    return this.#run(async (state) => {
      for (const name of this.#tables.names) {
        if (state.adopted?.includes(name)) continue
        const keys = await this.#db.table(name).toCollection().primaryKeys()
        if (keys.length > 0) await this.stores.notes.add({ table: name, keys: keys.map(String), at: this.#now() }, `0 ${name}`)
        state.adopted = [...state.adopted ?? [], name]
      }
      // The server may accept what it refused before: it may have been upgraded, or the role changed.
      await this.#outbox.retry()
      await this.#inbox.applyLeft(state, () => undefined)
      return state
    }, true)
  }

  /**
   * Says whose database this is, the first time, and refuses another one's. `device` is its name from before the server
   * was asked who is signed in: if the database was handed over meanwhile, that may be someone else.
   */
  bind(user: string, workspace: string, device: string): Promise<State> {
    this.#bound = device
    return this.#runBound(async (state) => {
      if ((state.user ?? user) !== user || (state.workspace ?? workspace) !== workspace)
        throw new SyncError('other-account', `The database belongs to user ${state.user} and workspace ${state.workspace}`)
      Object.assign(state, { user, workspace })
      return state
    })
  }

  /** Learns how far the server's clock is ahead, and emits an event if the difference is more than a minute. */
  learnClock(ahead: number): Promise<void> {
    return this.#run(async (state, tell) => {
      // Responses take time, so a small difference does not count.
      if (Math.abs(ahead - state.ahead) < 5_000) return
      state.ahead = Math.abs(ahead) < 5_000 ? 0 : Math.round(ahead)
      if (Math.abs(state.ahead) > 60_000) tell('clock', { ahead: state.ahead })
    })
  }

  /** Whether nothing is waiting to be sent; checked without a lock on the app's tables. */
  async idle(): Promise<boolean> {
    return await this.stores.notes.count() + await this.stores.outbox.count() === 0
  }

  /** Whether anything is waiting that may succeed next time. */
  async unsent(): Promise<boolean> {
    return await this.stores.outbox.filter(o => !o.refused).count() > 0
  }

  /** How many rows differ from what the server has. */
  async pending(): Promise<number> {
    const rows = new Set<string>(await this.stores.outbox.toCollection().primaryKeys())
    for (const { table, keys } of await this.stores.notes.toArray()) for (const key of keys) rows.add(this.#tables.rowOf(table, key))
    return rows.size
  }

  /**
   * Turns notes into writes to send, so that rows that are written often while offline take little space, and returns
   * how many there are.
   */
  fold(): Promise<number> {
    return this.#run(async (state) => {
      await this.#outbox.fold(state)
      return this.stores.outbox.count()
    })
  }

  /** Makes refused writes due again. */
  async retry(): Promise<void> {
    if (!await this.stores.state.get('sync')) return
    await this.#run(async (state) => {
      await this.#outbox.retry()
      await this.#inbox.applyLeft(state, () => undefined)
    })
  }

  /** The next writes to send, oldest first, and whether there are more. */
  outgoing(): Promise<{ ops: WireOp[], more: boolean }> {
    return this.#runBound(async (state, tell) => {
      await this.#outbox.fold(state)
      return this.#outbox.next(state, tell)
    })
  }

  /**
   * Records the results of writes. Writes of a database that was deleted or cleared in the meantime are unknown to the
   * current one.
   */
  settle(ops: WireOp[], answer: PushAnswer): Promise<void> {
    return this.#run(async (state, tell) => {
      if (ops.some(op => op.stamp.deviceId !== state.device)) return
      await this.#outbox.fold(state)
      const winners = await this.#outbox.settle(state, ops, answer, tell)
      if (winners.length > 0) await this.#inbox.apply(state, winners, { marks: true, answered: new Set(ops.map(op => op.stamp.opId)) }, tell)
    })
  }

  /** The server refuses a whole request that contains only this write. */
  refused(op: WireOp, { code, message }: SyncError): Promise<void> {
    return this.#run((_, tell) => this.#outbox.refused(op, code === 'too-large' ? 'OVERSIZED' : 'VALIDATION_ERROR', message, tell))
  }

  /** Applies a page of a pull that was requested with a cursor and an epoch. */
  receive({ changes, nextCursor }: PullAnswer, marks: boolean, epoch: number): Promise<void> {
    return this.#runBound(async (state, tell) => {
      if (state.epoch !== epoch || state.snapshot) return
      if (changes.length > 0) {
        await this.#outbox.fold(state)
        await this.#inbox.apply(state, changes, { marks }, tell)
        await this.#inbox.applyLeft(state, tell)
      }
      state.cursor = Math.max(state.cursor, nextCursor)
    })
  }

  /** Whether rows are missing that no pull brings. */
  needsSnapshot(state: State): boolean {
    return !!state.snapshot || this.#tables.names.some(n => !state.tables.includes(n))
  }

  /**
   * Begins a snapshot, or continues one that was interrupted. `inOrder`: each row comes only once, in the order
   * of their keys.
   */
  beginSnapshot(again = false, inOrder = true): Promise<State> {
    return this.#runBound(async (state) => {
      if (!again && state.snapshot?.fresh) return state
      const fresh = inOrder && await this.stores.revisions.count() + await this.stores.packs.count() === 0
      state.snapshot = { token: null, watermark: 0, fresh }
      state.epoch++
      this.#listed.clear()
      return state
    })
  }

  /** Installs a page of a snapshot. */
  install(page: SnapshotAnswer, marks: boolean, epoch: number): Promise<State> {
    return this.#runBound(async (state, tell) => {
      const { snapshot } = state
      if (state.epoch !== epoch || !snapshot || (snapshot.id ?? page.snapshotId) !== page.snapshotId) return state
      await this.#outbox.fold(state)
      await this.#inbox.apply(state, page.items, { marks, fresh: snapshot.fresh }, tell)
      if (!snapshot.fresh) for (const { tableName, pk } of page.items) this.#listed.add(`${tableName}/${pk}`)
      if (page.nextPageToken !== null) {
        state.snapshot = { ...snapshot, id: page.snapshotId, watermark: page.highWatermark, token: page.nextPageToken }
        return state
      }
      if (!snapshot.fresh) await this.#inbox.removeUnlisted(this.#listed)
      await this.#inbox.applyLeft(state, tell)
      delete state.snapshot
      state.cursor = page.highWatermark
      state.tables = [...this.#tables.names]
      return state
    })
  }

  /** Removes everything synced from the database, so that another account can use it. */
  async clear(discardUnsent: boolean): Promise<void> {
    await this.#run(async (state) => {
      const s = this.stores
      if (!discardUnsent && await s.outbox.count() + await s.notes.count() > 0)
        throw new SyncError('other-account', 'There are unsent edits')
      for (const table of [s.notes, s.outbox, s.revisions, s.packs, s.unapplied, s.blobs, s.transfers, ...this.#tables.names.map(n => this.#db.table(n))]) await table.clear()
      delete state.user
      delete state.workspace
      delete state.snapshot
      Object.assign(state, { device: newName(), cursor: 0, epoch: state.epoch + 1, tables: [] })
    }, true)
  }
}

const newName = (): string => crypto.randomUUID().slice(0, 8)
