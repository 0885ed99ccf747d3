// Outgoing writes of the app. All of this happens in transactions of the replica.
import type { Dexie } from 'dexie'
import { asSyncError } from './errors.js'
import type { Emit } from './events.js'
import { revisionsOf } from './revisions.js'
import { newer, reading, timeOf } from './stamp.js'
import type { Outgoing, State, Stores } from './stores.js'
import type { Place, Row, Tables } from './tables.js'
import type { Change, PushAnswer, WireOp } from './wire.js'

/** How many writes are sent at once, and roughly how many characters. */
const batch = { ops: 100, size: 1_000_000 }

/** How long writes wait that the server could not accept for now, or has refused, in milliseconds. */
const retry = { first: 1_000, longest: 5 * 60_000, refused: 60 * 60_000, longestRefused: 24 * 60 * 60_000 }

/** The results that may be different next time. */
const transient = new Set(['RATE_LIMITED', 'SERVER_ERROR', 'NETWORK_ERROR', 'UNKNOWN', undefined])

/** A clock reading that is further ahead than this is ignored, in milliseconds. */
const farAhead = 60 * 60_000

const lostRow = (opId: string): string => `lost ${opId}`

/** The rows that the server does not have as this device has them. */
export class Outbox {
  readonly #db: Dexie
  readonly #stores: Stores
  readonly #tables: Tables
  readonly #now: () => number

  constructor(db: Dexie, stores: Stores, tables: Tables, now: () => number) {
    this.#db = db
    this.#stores = stores
    this.#tables = tables
    this.#now = now
  }

  /** Turns notes into writes to send. A row that was written several times is sent once. */
  async fold(state: State): Promise<void> {
    const { notes, outbox } = this.#stores
    const ids = await notes.toCollection().primaryKeys()
    if (ids.length === 0) return
    const last = new Map<string, { place: Place, at: number, seq: string, gone: boolean }>()
    for (const [i, { table, keys, at, gone = false }] of (await notes.toArray()).entries()) {
      for (const key of keys) {
        const row = this.#tables.rowOf(table, key)
        last.set(row, { place: { table, key }, at, seq: ids[i]!, gone: gone || !!last.get(row)?.gone })
      }
    }
    const rows = [...last.keys()]
    const waiting = await outbox.bulkGet(rows)
    const revisions = await revisionsOf(this.#stores, rows)
    const out: Outgoing[] = []
    for (const [i, row] of rows.entries()) {
      const { place, at, seq, gone } = last.get(row)!
      const old = waiting[i]
      const known = revisions.get(row)
      // Deleting a row that no other device has seen sends nothing: the deletion would win over another device's row.
      if (gone && !old && (!known || known.deleted) && !await this.#get(place)) continue
      const hlc = this.#read(state, at)
      // Another write of a waiting row follows the same write of the server. Only if the clock was set back
      // is its reading not the later one.
      const clock = old ? old.clock + (hlc > old.hlc ? 0 : 1) : (known?.clock ?? 0) + 1
      out.push({ row, ...place, clock, hlc, opId: crypto.randomUUID(), seq, tries: 0, due: 0 })
    }
    await outbox.bulkPut(out)
    await notes.clear()
  }

  /** Reads the device's clock, corrected by what is known about it. */
  #read(state: State, at = this.#now()): string {
    const time = at + state.ahead
    const last = timeOf(state.hlc) > time + farAhead ? '' : state.hlc
    return state.hlc = reading(time, state.device, last)
  }

  /** The next writes to send, oldest first, and whether there are more. */
  async next(state: State, tell: Emit): Promise<{ ops: WireOp[], more: boolean }> {
    const now = this.#now()
    const due = await this.#stores.outbox.orderBy('seq').filter(o => o.due <= now || o.due > now + retry.longestRefused).limit(batch.ops).toArray()
    const ops: WireOp[] = []
    let size = 0
    for (const out of due) {
      const row = out.lost ? undefined : await this.#get(out)
      if (!out.lost && this.#tables.staysHere(out, row)) {
        await this.#stores.outbox.delete(out.row)
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
      if (ops.length > 0 && size > batch.size) return { ops, more: true }
      ops.push(op)
    }
    return { ops, more: due.length === batch.ops }
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
    // The app was notified of the edit that lost, so no one misses it.
    if (out.lost) return this.#stores.outbox.delete(out.row)
    const tries = out.tries + 1
    const due = this.#now() + Math.min(retry.longestRefused, retry.refused * 2 ** Math.min(tries - 1, 20))
    await this.#stores.outbox.put({ ...out, tries, due, refused: { code, message } })
    tell('refused', { table: out.table, key: out.key, code, message })
  }

  /** Records the results of writes, and returns the changes that were newer. */
  async settle(state: State, ops: WireOp[], { results, serverVersion }: PushAnswer, tell: Emit): Promise<Change[]> {
    const { outbox } = this.#stores
    const byId = new Map(results.map(r => [r.opId, r]))
    const versions: number[] = []
    const winners: Change[] = []
    let sent = 0
    for (const op of ops) {
      const { stamp: { opId } } = op
      const waiting = await this.#waiting(op)
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
        // The id was used for other content, such as that of an earlier version of the app, but the edit was not.
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
    // If the versions directly follow the cursor, nothing else has happened: there is nothing to pull.
    versions.sort((a, b) => a - b)
    if (!state.snapshot && versions[0] === state.cursor + 1 && versions.at(-1) === serverVersion && serverVersion - state.cursor === versions.length)
      state.cursor = serverVersion
    if (sent > 0) tell('sent', { rows: sent })
    return winners
  }

  /** The waiting entry for exactly this write. */
  async #waiting({ tableName, pk, stamp: { opId } }: WireOp): Promise<Outgoing | undefined> {
    const { outbox } = this.#stores
    return [await outbox.get(`${tableName}/${pk}`), await outbox.get(lostRow(opId))].find(o => o?.opId === opId)
  }

  /** The server has a write. */
  async #acknowledge(op: WireOp): Promise<void> {
    const row = `${op.tableName}/${op.pk}`
    const { clock, hlc, opId } = op.stamp
    const stamp = { clock, hlc, opId }
    const known = (await revisionsOf(this.#stores, [row])).get(row)
    if (known && !newer(stamp, known)) return
    await this.#stores.revisions.put(op.operation === 'delete' ? { row, ...stamp, deleted: true } : { row, ...stamp })
  }

  /** The server refuses a whole request that contains only this write. */
  async refused(op: WireOp, code: string, message: string, tell: Emit): Promise<void> {
    const out = await this.#waiting(op)
    if (out) await this.#refuse(out, code, message, tell)
  }

  /** Makes refused or failed writes due again. */
  async retry(): Promise<void> {
    await this.#stores.outbox.filter(o => o.due > 0).modify({ due: 0 })
  }

  /**
   * Another edit is newer than a waiting one. The server still gets that one, for its history. `sent` says
   * that it has it already.
   */
  async lose(state: State, mine: Outgoing, row: Row | undefined, sent: boolean): Promise<void> {
    const { outbox } = this.#stores
    await outbox.delete(mine.row)
    if (sent || mine.refused) return
    try {
      await outbox.put({ ...mine, row: lostRow(mine.opId), lost: this.#op(state, mine, row) })
    }
    catch { /* it cannot be sent; the app has it */ }
  }
}
