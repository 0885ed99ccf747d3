// The database as a replica of a workspace: what becomes of the app's writes and of the server's changes, each in one
// transaction. Several tabs may do all of this at once; what counts is read in the transaction that changes it.
import type { Dexie, Transaction } from 'dexie'
import type { Captures } from './capture.js'
import { asSyncError, SyncError } from './errors.js'
import type { Emit } from './events.js'
import { allRows, packed, revisionsOf } from './revisions.js'
import { newer, reading, timeOf } from './stamp.js'
import { storesOf, type Outgoing, type Revision, type State, type Stores } from './stores.js'
import type { Place, Row, Tables } from './tables.js'
import type { Change, PullAnswer, PushAnswer, SnapshotAnswer, WireOp } from './wire.js'

/** How many writes are sent at once, and about how many characters of them. */
const batch = { ops: 100, size: 1_000_000 }

/** How long a write waits that the server could not take for now, and one that it has refused, in milliseconds. */
const retry = { first: 1_000, longest: 5 * 60_000, refused: 60 * 60_000 }

/** The results that may be others the next time. */
const transient = new Set(['RATE_LIMITED', 'SERVER_ERROR', 'NETWORK_ERROR', 'UNKNOWN', undefined])

/** A reading that is further ahead than this is not counted on, in milliseconds. */
const farAhead = 60 * 60_000

interface Write { change: Change, place: Place }

export class Replica {
  readonly stores: Stores
  readonly #db: Dexie
  readonly #tables: Tables
  readonly #captures: Captures
  readonly #emit: Emit
  readonly #now: () => number
  #device: string | undefined
  /** The rows of a snapshot that replaces what is here. */
  #listed = new Set<string>()

  constructor(db: Dexie, tables: Tables, captures: Captures, emit: Emit, now: () => number) {
    this.#db = db
    this.stores = storesOf(db)
    this.#tables = tables
    this.#captures = captures
    this.#emit = emit
    this.#now = now
  }

  /** Runs one transaction with all that is synced. What it reports is told when it is committed. */
  async #run<T>(work: (state: State, tell: Emit) => Promise<T>): Promise<T> {
    const told: Parameters<Emit>[] = []
    const s = this.stores
    const all = [s.captures, s.outbox, s.revisions, s.packs, s.unapplied, s.state, ...this.#tables.names.map(n => this.#db.table(n))]
    const result = await this.#db.transaction('rw', all, async (tx: Transaction) => {
      this.#captures.exempt(tx)
      const tell = ((...event: Parameters<Emit>) => told.push(event)) as Emit
      const found = await s.state.get('sync')
      if (!found && this.#device) tell('storage', { code: 'database', message: 'The database was deleted. It is filled again from the server; edits in it that were not sent are gone' })
      const state = found ?? { id: 'sync', device: crypto.randomUUID().slice(0, 8), hlc: '', ahead: 0, cursor: 0, epoch: 0, tables: [] }
      const before = JSON.stringify(state)
      const done = await work(state, tell)
      if (!found || JSON.stringify(state) !== before) await s.state.put(state)
      return [done, state.device] as const
    })
    this.#device = result[1]
    for (const event of told) this.#emit(...event)
    return result[0]
  }

  /** Makes the database ready: rows from before it was synced are edits that have to be sent. */
  open(): Promise<State> {
    return this.#run(async (state) => {
      for (const name of this.#tables.names) {
        if (state.adopted?.includes(name)) continue
        const keys = await this.#db.table(name).toCollection().primaryKeys()
        if (keys.length > 0) await this.stores.captures.add({ table: name, keys: keys.map(String), at: this.#now() })
        state.adopted = [...state.adopted ?? [], name]
      }
      // What the server has refused it may take now: it may be a newer one, or the role another.
      await this.stores.outbox.filter(o => o.due > 0).modify({ due: 0 })
      await this.#applyLeft(() => undefined)
      return state
    })
  }

  /** Says whose database this is, the first time, and refuses another one's. */
  bind(user: string, workspace: string): Promise<State> {
    return this.#run(async (state) => {
      if (state.user !== undefined && state.user !== user || state.workspace !== undefined && state.workspace !== workspace)
        throw new SyncError('other-account', `The database belongs to user ${state.user} and workspace ${state.workspace}`)
      Object.assign(state, { user, workspace })
      return state
    })
  }

  /** Learns how far the server's clock is ahead. It is told if the device's clock is off by more than a minute. */
  learnClock(ahead: number): Promise<void> {
    return this.#run(async (state, tell) => {
      // Answers take their time, so little is no difference.
      if (Math.abs(ahead - state.ahead) < 5_000) return
      state.ahead = Math.abs(ahead) < 5_000 ? 0 : Math.round(ahead)
      if (Math.abs(state.ahead) > 60_000) tell('clock', { ahead: state.ahead })
    })
  }

  /** Whether nothing waits to be sent; asked without a lock on the app's tables. */
  async idle(): Promise<boolean> {
    return await this.stores.captures.count() + await this.stores.outbox.count() === 0
  }

  /** How many rows the server does not have as they are here. */
  async pending(): Promise<number> {
    const rows = new Set<string>(await this.stores.outbox.toCollection().primaryKeys())
    await this.stores.captures.each(c => c.keys.forEach(key => rows.add(this.#tables.rowOf(c.table, key))))
    return rows.size
  }

  /** Makes refused writes due again. */
  retry(): Promise<void> {
    return this.#run(async () => {
      await this.stores.outbox.filter(o => o.due > 0).modify({ due: 0 })
      await this.#applyLeft(() => undefined)
    })
  }

  // Writes of the app on their way out.

  /** Turns captures into writes to be sent. A row that was written often is sent once. */
  async #fold(state: State): Promise<void> {
    const { captures, outbox } = this.stores
    const noted = await captures.orderBy('seq').toArray()
    if (noted.length === 0) return
    const last = new Map<string, { place: Place, at: number, seq: number }>()
    for (const { table, keys, at, seq } of noted)
      for (const key of keys) last.set(this.#tables.rowOf(table, key), { place: { table, key }, at, seq: seq! })
    const rows = [...last.keys()]
    const waiting = await outbox.bulkGet(rows)
    const revisions = await revisionsOf(this.stores, rows)
    const out = rows.map((row, i): Outgoing => {
      const { place, at, seq } = last.get(row)!
      const old = waiting[i]
      const hlc = this.#read(state, at)
      // Another write of a row that still waits follows on the same write of the server. Only if the clock was put back its reading is not the later one.
      const clock = old ? old.clock + (hlc > old.hlc ? 0 : 1) : (revisions.get(row)?.clock ?? 0) + 1
      return { row, ...place, clock, hlc, opId: crypto.randomUUID(), seq, tries: 0, due: 0 }
    })
    await outbox.bulkPut(out)
    await captures.where('seq').belowOrEqual(noted.at(-1)!.seq!).delete()
  }

  /** Reads the device's clock, as far as it is known to be right. */
  #read(state: State, at = this.#now()): string {
    const time = at + state.ahead
    const last = timeOf(state.hlc) > time + farAhead ? '' : state.hlc
    return state.hlc = reading(time, state.device, last)
  }

  /** The next writes to be sent, the oldest first; `most` of them at most. */
  outgoing(most = batch.ops): Promise<WireOp[]> {
    return this.#run(async (state, tell) => {
      await this.#fold(state)
      const now = this.#now()
      const due = await this.stores.outbox.orderBy('seq').filter(o => o.due <= now || o.due > now + 25 * retry.refused).limit(most).toArray()
      const ops: WireOp[] = []
      let size = 0
      for (const out of due) {
        const row = out.lost ? undefined : await this.#get(out)
        if (!out.lost && this.#tables.staysHere(out, row)) {
          await this.stores.outbox.delete(out.row)
          continue
        }
        let op: WireOp
        try {
          op = out.lost ?? this.#op(state, out, row)
          size += JSON.stringify(op.payload).length + 400
        }
        catch (error) {
          await this.#refuse(out, 'UNREADABLE', asSyncError(error).message, tell)
          continue
        }
        if (ops.length > 0 && size > batch.size) break
        ops.push(op)
      }
      return ops
    })
  }

  #get({ table, key }: Place): Promise<Row | undefined> {
    return this.#db.table<Row, string>(table).get(key)
  }

  #op(state: State, out: Outgoing, row: Row | undefined): WireOp {
    const stamp = { clock: out.clock, hlc: out.hlc, opId: out.opId, deviceId: state.device }
    return {
      id: out.opId, ...this.#tables.toWire(out, row, out), operation: row ? 'put' : 'delete', stamp,
      createdAt: timeOf(out.hlc), attempts: 0, status: 'pending',
    }
  }

  async #refuse(out: Outgoing, code: string, message: string, tell: Emit): Promise<void> {
    const tries = out.tries + 1
    const due = this.#now() + Math.min(24, 2 ** (tries - 1)) * retry.refused
    await this.stores.outbox.put({ ...out, tries, due, refused: { code, message } })
    tell('refused', { table: out.table, key: out.key, code, message })
  }

  /** Notes what has become of writes. */
  settle(ops: WireOp[], { results, serverVersion }: PushAnswer): Promise<void> {
    return this.#run(async (state, tell) => {
      await this.#fold(state)
      const { outbox } = this.stores
      const byId = new Map(results.map(r => [r.opId, r]))
      const versions: number[] = []
      const winners: Change[] = []
      let sent = 0
      for (const op of ops) {
        const { stamp: { opId } } = op
        const row = `${op.tableName}/${op.pk}`
        const waiting = [await outbox.get(row), await outbox.get(lostRow(opId))].find(o => o?.opId === opId)
        const result = byId.get(opId)
        if (result?.success) {
          sent++
          if (result.serverVersion && !result.replayed) versions.push(result.serverVersion)
          const winner = result.applied === false ? result.winner : undefined
          if (winner) winners.push(winner)
          else await this.#acknowledge(op)
          if (waiting && (!winner || waiting.lost)) await outbox.delete(waiting.row)
        }
        else if (waiting && result?.errorCode === 'CONFLICT') {
          // The id is used for another content, such as that of an earlier version of the app. The edit is not.
          if (waiting.lost) await outbox.delete(waiting.row)
          else await outbox.put({ ...waiting, opId: crypto.randomUUID(), hlc: this.#read(state), due: 0 })
        }
        else if (waiting && (!result || transient.has(result.errorCode))) {
          const tries = waiting.tries + 1
          await outbox.put({ ...waiting, tries, due: this.#now() + Math.min(retry.longest, retry.first * 2 ** Math.min(tries, 20)) })
        }
        else if (waiting) {
          await this.#refuse(waiting, result?.errorCode ?? 'UNKNOWN', result?.error ?? 'Refused by the server', tell)
        }
      }
      if (winners.length > 0) await this.#apply(state, winners, true, false, true, tell)
      // Versions that follow on the cursor are all that has happened since: there is nothing to be pulled.
      versions.sort((a, b) => a - b)
      if (!state.snapshot && versions[0] === state.cursor + 1 && versions.at(-1) === serverVersion && serverVersion - state.cursor === versions.length)
        state.cursor = serverVersion
      if (sent > 0) tell('sent', { rows: sent })
    })
  }

  /** The server has a write. */
  async #acknowledge(op: WireOp): Promise<void> {
    const row = `${op.tableName}/${op.pk}`
    const { clock, hlc, opId } = op.stamp
    const stamp = { clock, hlc, opId }
    const known = (await revisionsOf(this.stores, [row])).get(row)
    if (known && !newer(stamp, known)) return
    await this.stores.revisions.put(op.operation === 'delete' ? { row, ...stamp, deleted: true } : { row, ...stamp })
  }

  /** The server refuses a whole request that has this one write alone. */
  refused(op: WireOp, error: SyncError): Promise<void> {
    return this.#run(async (_, tell) => {
      const out = [await this.stores.outbox.get(`${op.tableName}/${op.pk}`), await this.stores.outbox.get(lostRow(op.stamp.opId))].find(o => o?.opId === op.stamp.opId)
      if (out) await this.#refuse(out, error.code === 'too-large' ? 'OVERSIZED' : 'VALIDATION_ERROR', error.message, tell)
    })
  }

  // Changes of the server on their way in.

  /** Applies a page of a pull that was asked for at a cursor of an epoch. */
  receive({ changes, nextCursor }: PullAnswer, marks: boolean, epoch: number): Promise<void> {
    return this.#run(async (state, tell) => {
      if (state.epoch !== epoch || state.snapshot) return
      if (changes.length > 0) {
        await this.#fold(state)
        await this.#apply(state, changes, marks, false, false, tell)
        await this.#applyLeft(tell)
      }
      state.cursor = Math.max(state.cursor, nextCursor)
    })
  }

  /** Whether rows are missing that no pull brings. */
  needsSnapshot(state: State): boolean {
    return !!state.snapshot || this.#tables.names.some(n => !state.tables.includes(n))
  }

  /** Begins a snapshot, or goes on with one that was interrupted. */
  beginSnapshot(again = false): Promise<State> {
    return this.#run(async (state) => {
      if (!again && state.snapshot?.fresh) return state
      const fresh = await this.stores.revisions.count() + await this.stores.packs.count() === 0
      state.snapshot = { token: null, watermark: 0, fresh }
      state.epoch++
      this.#listed.clear()
      return state
    })
  }

  /** Installs a page of a snapshot. */
  install(page: SnapshotAnswer, marks: boolean, epoch: number): Promise<State> {
    return this.#run(async (state, tell) => {
      const { snapshot } = state
      if (state.epoch !== epoch || !snapshot || snapshot.id && snapshot.id !== page.snapshotId) return state
      await this.#fold(state)
      await this.#apply(state, page.items, marks, snapshot.fresh, false, tell)
      if (!snapshot.fresh) for (const { tableName, pk } of page.items) this.#listed.add(`${tableName}/${pk}`)
      if (page.nextPageToken !== null) {
        state.snapshot = { ...snapshot, id: page.snapshotId, watermark: page.highWatermark, token: page.nextPageToken }
        return state
      }
      if (!snapshot.fresh) await this.#removeUnlisted()
      await this.#applyLeft(tell)
      delete state.snapshot
      state.cursor = page.highWatermark
      state.tables = [...this.#tables.names]
      return state
    })
  }

  /** Removes the rows that the server has no more. What waits to be sent stays. */
  async #removeUnlisted(): Promise<void> {
    const { outbox, revisions } = this.stores
    const gone = [...await allRows(this.stores)].filter(row => !this.#listed.has(row))
    const waiting = await outbox.bulkGet(gone)
    const known = await revisionsOf(this.stores, gone)
    for (const [i, row] of gone.entries()) {
      const slash = row.indexOf('/')
      const place = this.#tables.placeOf({ tableName: row.slice(0, slash), pk: row.slice(slash + 1) })
      if (!place || waiting[i]) continue
      await this.#db.table(place.table).delete(place.key)
      await revisions.put({ ...known.get(row)!, deleted: true })
    }
  }

  /**
   * Applies changes. `fresh` says that no row has come from the server yet, `answered` that they are the winners over writes
   * which have reached the server.
   */
  async #apply(state: State, changes: Change[], marks: boolean, fresh: boolean, answered: boolean, tell: Emit): Promise<void> {
    const { outbox, revisions, packs } = this.stores
    const newest = new Map<string, Write>()
    for (const change of changes) {
      const place = this.#tables.placeOf(change)
      if (!place) continue
      const row = `${change.tableName}/${change.pk}`
      const other = newest.get(row)
      if (!other || newer(change.stamp, other.change.stamp)) newest.set(row, { change, place })
    }
    const rows = [...newest.keys()]
    const waiting = await outbox.count() > 0 ? await outbox.bulkGet(rows) : []
    const known = fresh ? new Map<string, Revision>() : await revisionsOf(this.stores, rows)
    const writes: Write[] = []
    const noted: Revision[] = []
    for (const [i, row] of rows.entries()) {
      const write = newest.get(row)!
      const { stamp, payload } = write.change
      const old = known.get(row)
      const mine = waiting[i]
      const revision: Revision = payload ? { row, ...stamp } : { row, ...stamp, deleted: true }
      if (mine && mine.opId === stamp.opId) {
        // Our own write, whose answer was lost.
        await outbox.delete(row)
        noted.push(revision)
        continue
      }
      if (old && !newer(stamp, old)) {
        // What is here is newer than both, so the edit was made on top of it.
        if (mine && answered && !newer(mine, old)) await outbox.put({ ...mine, clock: old.clock + 1, opId: crypto.randomUUID() })
        continue
      }
      else if (mine) {
        if (newer(mine, stamp)) continue
        await this.#lose(state, mine, write, answered, marks, tell)
      }
      noted.push(revision)
      writes.push(write)
    }
    await this.#write(writes, marks, tell)
    const single = fresh ? noted.filter(r => r.deleted) : noted
    if (single.length > 0) await revisions.bulkPut(single)
    if (fresh) await packs.bulkPut(packed(noted.filter(r => !r.deleted).sort((a, b) => a.row < b.row ? -1 : 1)))
  }

  /** Gives an edit up that another one is newer than. The app gets it, and so does the server, whose history has it then. */
  async #lose(state: State, mine: Outgoing, { change, place }: Write, answered: boolean, marks: boolean, tell: Emit): Promise<void> {
    const { outbox } = this.stores
    const lost = await this.#get(place)
    await outbox.delete(mine.row)
    if (!answered && !mine.refused) {
      try {
        await outbox.put({ ...mine, row: lostRow(mine.opId), lost: this.#op(state, mine, lost) })
      }
      catch { /* it cannot be sent; the app has it */ }
    }
    let won: Row | undefined
    try {
      won = this.#tables.fromWire(place, change, marks)
    }
    catch { /* it is told as one that cannot be applied */ }
    tell('conflict', { ...place, lost, won })
  }

  /** Writes rows. What the database refuses is set aside, so that one bad row holds up no other. */
  async #write(writes: Write[], marks: boolean, tell: Emit): Promise<void> {
    const { unapplied } = this.stores
    if (writes.length === 0) return
    if (await unapplied.count() > 0) await unapplied.bulkDelete(writes.map(rowOf))
    const byTable = new Map<string, Write[]>()
    for (const write of writes) {
      const list = byTable.get(write.place.table)
      if (list) list.push(write)
      else byTable.set(write.place.table, [write])
    }
    let received = 0
    for (const [name, list] of byTable) {
      const table = this.#db.table<Row, string>(name)
      const puts: Row[] = []
      const writing: Write[] = []
      const deletes: string[] = []
      const failed = new Map<Write, string>()
      for (const write of list) {
        try {
          const row = this.#tables.fromWire(write.place, write.change, marks)
          const keyPath = table.schema.primKey.keyPath as string
          if (row && (row[keyPath] ??= write.place.key) !== write.place.key) throw new TypeError('The row has another key in it')
          if (row) [puts.push(row), writing.push(write)]
          else deletes.push(write.place.key)
        }
        catch (error) {
          failed.set(write, asSyncError(error).message)
        }
      }
      if (deletes.length > 0) await table.bulkDelete(deletes)
      if (puts.length > 0) {
        await table.bulkPut(puts).catch((error: unknown) => {
          const { failuresByPos } = error as { failuresByPos?: Record<number, Error> }
          if (!failuresByPos || asSyncError(Object.values(failuresByPos)[0]).code === 'quota') throw error
          for (const [at, cause] of Object.entries(failuresByPos)) failed.set(writing[Number(at)]!, cause.message)
        })
      }
      for (const [write, error] of failed) {
        await unapplied.put({ row: rowOf(write), table: name, change: write.change, error })
        tell('unapplied', { ...write.place, message: error })
      }
      received += list.length - failed.size
    }
    if (received > 0) tell('received', { rows: received })
  }

  /** Tries the rows again that the database has refused: what was in their way may be gone. */
  async #applyLeft(tell: Emit): Promise<void> {
    const { unapplied } = this.stores
    if (await unapplied.count() === 0) return
    const left = await unapplied.toArray()
    const writes = left.flatMap((u): Write[] => {
      const place = this.#tables.placeOf(u.change)
      return place ? [{ change: u.change, place }] : []
    })
    await this.#write(writes, true, (...event) => event[0] === 'received' && tell(...event))
  }

  /** Empties the database of all that is synced, so that it can be another account's. */
  async clear(discardUnsent: boolean): Promise<void> {
    await this.#run(async (state) => {
      const s = this.stores
      if (!discardUnsent && await s.outbox.count() + await s.captures.count() > 0)
        throw new SyncError('other-account', 'There are edits that were not sent')
      for (const table of [s.captures, s.outbox, s.revisions, s.packs, s.unapplied, ...this.#tables.names.map(n => this.#db.table(n))]) await table.clear()
      delete state.user
      delete state.workspace
      delete state.snapshot
      Object.assign(state, { cursor: 0, epoch: state.epoch + 1, tables: [] })
    })
    await this.stores.blobs.clear()
    await this.stores.transfers.clear()
  }
}

const rowOf = ({ change }: Write): string => `${change.tableName}/${change.pk}`
const lostRow = (opId: string): string => `lost ${opId}`
