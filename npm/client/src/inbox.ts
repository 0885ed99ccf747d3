// Incoming changes from the server. All of this happens in transactions of the replica.
import type { Dexie, Table } from 'dexie'
import { asSyncError } from './errors.js'
import type { Emit } from './events.js'
import type { Outbox } from './outbox.js'
import { allRows, packed, revisionsOf } from './revisions.js'
import { newer } from './stamp.js'
import type { Outgoing, Revision, State, Stores, Unapplied } from './stores.js'
import type { Place, Row, Tables } from './tables.js'
import type { Change } from './wire.js'

interface Write {
  change: Change
  place: Place
  /** The change won against an edit of this device. */
  won?: boolean
}

const rowOf = ({ change }: Write): string => `${change.tableName}/${change.pk}`

/** What is known about changes. */
export interface Known {
  /** Their text may contain encoded values that JSON does not support. */
  marks: boolean
  /** No row has come from the server yet. */
  fresh?: boolean
  /** They won against these writes, which have reached the server. */
  answered?: ReadonlySet<string>
}

/** Puts rows, and returns the ones that the database refuses, with the reasons. */
async function tryPut(table: Table<Row, string>, rows: Row[]): Promise<Map<Row, string>> {
  const failed = new Map<Row, string>()
  await table.bulkPut(rows).catch((error: unknown) => {
    const { failuresByPos } = error as { failuresByPos?: Record<number, Error> }
    if (!failuresByPos || asSyncError(Object.values(failuresByPos)[0]).code === 'quota') throw error
    for (const [at, cause] of Object.entries(failuresByPos)) failed.set(rows[Number(at)]!, cause.message)
  })
  return failed
}

/**
 * Like `tryPut`, for rows that may conflict when put one by one, such as two that swapped a unique value: they are put
 * together.
 */
async function put(table: Table<Row, string>, rows: Row[]): Promise<Map<Row, string>> {
  const failed = await tryPut(table, rows)
  for (let left = [...failed.keys()]; left.length > 0;) {
    const keys = left.map(row => String(row[table.schema.primKey.keyPath as string]))
    const before = (await table.bulkGet(keys)).filter(row => !!row)
    await table.bulkDelete(keys)
    const still = await tryPut(table, left)
    if (still.size === 0) {
      for (const row of left) failed.delete(row)
      break
    }
    await table.bulkDelete(keys)
    await table.bulkPut(before)
    left = left.filter(row => !still.has(row))
  }
  return failed
}

/** Brings rows to the state that the server has. */
export class Inbox {
  readonly #db: Dexie
  readonly #stores: Stores
  readonly #tables: Tables
  readonly #outbox: Outbox

  constructor(db: Dexie, stores: Stores, tables: Tables, outbox: Outbox) {
    this.#db = db
    this.#stores = stores
    this.#tables = tables
    this.#outbox = outbox
  }

  /** Applies changes. The outbox has been folded. */
  async apply(state: State, changes: Change[], { marks, fresh = false, answered = new Set() }: Known, tell: Emit): Promise<void> {
    const { outbox, revisions, packs } = this.#stores
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
    const known = fresh ? new Map<string, Revision>() : await revisionsOf(this.#stores, rows)
    const writes: Write[] = []
    const noted: Revision[] = []
    for (const [i, row] of rows.entries()) {
      const write = newest.get(row)!
      const { stamp, payload } = write.change
      const old = known.get(row)
      const mine = waiting[i]
      const revision: Revision = payload ? { row, ...stamp } : { row, ...stamp, deleted: true }
      if (mine && mine.opId === stamp.opId) {
        // Our own write; its response was lost.
        await outbox.delete(row)
        noted.push(revision)
        continue
      }
      if (old && !newer(stamp, old)) {
        // The local row is newer than both, so the edit was made on top of it.
        if (mine && answered.has(mine.opId) && !newer(mine, old)) await outbox.put({ ...mine, clock: old.clock + 1, opId: crypto.randomUUID() })
        continue
      }
      else if (mine) {
        if (newer(mine, stamp)) continue
        await this.#lose(state, mine, write, answered, marks, tell)
      }
      noted.push(revision)
      writes.push(mine ? { ...write, won: true } : write)
    }
    await this.#write(writes, marks, tell)
    const single = fresh ? noted.filter(r => r.deleted) : noted
    if (single.length > 0) await revisions.bulkPut(single)
    if (fresh) await packs.bulkPut(packed(noted.filter(r => !r.deleted).sort((a, b) => a.row < b.row ? -1 : 1)))
  }

  /** Gives up an edit because another one is newer, and notifies the app. */
  async #lose(state: State, mine: Outgoing, { change, place }: Write, answered: ReadonlySet<string>, marks: boolean, tell: Emit): Promise<void> {
    const lost = await this.#db.table<Row, string>(place.table).get(place.key)
    await this.#outbox.lose(state, mine, lost, answered.has(mine.opId))
    let won: Row | undefined
    try {
      won = this.#tables.fromWire(place, change, marks)
    }
    catch { /* it is told as one that cannot be applied */ }
    tell('conflict', { ...place, lost, won })
  }

  /** Writes rows. Rows that the database refuses are set aside, so that a bad row does not block others. */
  async #write(writes: Write[], marks: boolean, tell: Emit): Promise<void> {
    const { unapplied } = this.#stores
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
      const contents: string[] = []
      const failed = new Map<Write, string>()
      for (const write of list) {
        try {
          const row = this.#tables.fromWire(write.place, write.change, marks)
          const keyPath = table.schema.primKey.keyPath as string
          if (row && (row[keyPath] ??= write.place.key) !== write.place.key) throw new TypeError('The row contains a different key')
          if (row) {
            puts.push(row)
            writing.push(write)
          }
          else {
            deletes.push(write.place.key)
            if (name === 'file_meta' && !write.won) contents.push(write.place.key)
          }
        }
        catch (error) {
          failed.set(write, asSyncError(error).message)
        }
      }
      if (deletes.length > 0) await table.bulkDelete(deletes)
      if (contents.length > 0) await this.#forget(contents)
      if (puts.length > 0) for (const [row, error] of await put(table, puts)) failed.set(writing[puts.indexOf(row)]!, error)
      for (const [write, error] of failed) {
        await unapplied.put({ row: rowOf(write), table: name, change: write.change, error })
        tell('unapplied', { ...write.place, message: error })
      }
      received += list.length - failed.size
    }
    if (received > 0) tell('received', { rows: received })
  }

  /**
   * Removes what is stored for files besides rows. A file that this device has edited keeps its content: the app may
   * add it again.
   */
  async #forget(hashes: string[]): Promise<void> {
    await this.#stores.blobs.bulkDelete(hashes)
    await this.#stores.transfers.bulkDelete(hashes.flatMap(hash => [`${hash} upload`, `${hash} download`]))
  }

  /**
   * Retries rows that the database refused: the conflicting row may be gone. Rows that the app has
   * written since then stay as they are.
   */
  async applyLeft(state: State, tell: Emit): Promise<void> {
    const { outbox, unapplied } = this.#stores
    if (await unapplied.count() === 0) return
    await this.#outbox.fold(state)
    const all = await unapplied.toArray()
    const rows = all.map(u => u.row)
    const waiting = await outbox.bulkGet(rows)
    const known = await revisionsOf(this.#stores, rows)
    const isOver = ({ row, change }: Unapplied, i: number): boolean => !!waiting[i] || (known.has(row) && newer(known.get(row)!, change.stamp))
    const left = all.filter((u, i) => !isOver(u, i))
    await unapplied.bulkDelete(all.filter(isOver).map(u => u.row))
    const writes = left.flatMap((u): Write[] => {
      const place = this.#tables.placeOf(u.change)
      return place ? [{ change: u.change, place }] : []
    })
    await this.#write(writes, true, (...event) => event[0] === 'received' && tell(...event))
  }

  /** Removes rows that the server no longer has. Unsent rows stay. */
  async removeUnlisted(listed: Set<string>): Promise<void> {
    const { outbox, revisions } = this.#stores
    const gone = [...await allRows(this.#stores)].filter(row => !listed.has(row))
    const waiting = await outbox.bulkGet(gone)
    const known = await revisionsOf(this.#stores, gone)
    for (const [i, row] of gone.entries()) {
      const slash = row.indexOf('/')
      const place = this.#tables.placeOf({ tableName: row.slice(0, slash), pk: row.slice(slash + 1) })
      if (!place || waiting[i]) continue
      await this.#db.table(place.table).delete(place.key)
      if (place.table === 'file_meta') await this.#forget([place.key])
      await revisions.put({ ...known.get(row)!, deleted: true })
    }
  }
}
