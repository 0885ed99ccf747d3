// Records every write of the app in the write's own transaction, so that either both are stored or neither.
import type {
  DBCore, DBCoreMutateRequest, DBCoreMutateResponse, DBCoreTable, DBCoreTransaction, Dexie, Transaction,
} from 'dexie'
import type { Note } from './stores.js'

const log = 'sync_notes'

/** Watches the writes of a database. Create it before the database is opened. */
export class Captures {
  /** The library's own transactions, whose writes are not the app's. */
  readonly #ours = new WeakSet<DBCoreTransaction>()
  readonly #noted = new WeakSet<DBCoreTransaction>()
  readonly #tables: ReadonlySet<string>
  readonly #committed: () => void
  readonly #dexie: typeof Dexie
  readonly #tab = crypto.randomUUID().slice(0, 8)
  #count = 0

  /** `committed` is called after each transaction of the app with writes to `tables`. */
  constructor(db: Dexie, tables: readonly string[], committed: () => void) {
    if (db.isOpen()) throw new TypeError(`The database ${db.name} is already open: connect it before you use it, so that no write is missed`)
    this.#tables = new Set(tables)
    this.#committed = committed
    this.#dexie = db.constructor as typeof Dexie
    db.use({ stack: 'dbcore', name: 'or3-cloud-client', level: 1, create: core => this.#watch(core) })
  }

  /** Marks the writes of a transaction as coming from the server. */
  exempt(transaction: Transaction): void {
    this.#ours.add(transaction.idbtrans)
  }

  #watch(core: DBCore): DBCore {
    return {
      ...core,
      transaction: (stores, mode, options) => {
        const wider = mode === 'readwrite' && !stores.includes(log) && stores.some(s => this.#tables.has(s)) ? [...stores, log] : stores
        return core.transaction(wider, mode, options)
      },
      table: (name) => {
        const table = core.table(name)
        return this.#tables.has(name) ? { ...table, mutate: request => this.#mutate(table, request) } : table
      },
    }
  }

  #mutate(table: DBCoreTable, request: DBCoreMutateRequest): Promise<DBCoreMutateResponse> {
    const { trans } = request
    if (this.#ours.has(trans)) return table.mutate(request)
    // Dexie's own promises keep its transactions and their zones alive.
    const { Promise } = this.#dexie
    if (request.type === 'deleteRange') {
      const { range } = request
      const keys = Promise.resolve(table.query({ trans, values: false, query: { index: table.schema.primaryKey, range } }))
      return keys.then(({ result }) => {
        this.#note(table, trans, result, this.#next(), true)
        return table.mutate(request)
      })
    }
    const keys = request.type === 'delete' ? request.keys : keysOf(table, request)
    const wrong = keys.find(key => typeof key !== 'string' || key === '' || key.length > 800)
    if (wrong !== undefined && request.type !== 'delete')
      return Promise.reject(new TypeError(`The keys of synced rows are strings of 1 to 800 characters, but one in ${table.name} is ${String(wrong).slice(0, 100)}`))
    const writing = table.mutate(request)
    const id = this.#note(table, trans, keys, this.#next(), request.type === 'delete')
    return Promise.resolve(writing).then((done) => {
      if (done.numFailures > 0) this.#note(table, trans, keys.filter((_, i) => !(i in done.failures)), id)
      return done
    })
  }

  /**
   * Records that rows are written, and returns the note's id; a given note is replaced. Nothing waits for it: the
   * transaction commits once the note is written, and fails if it cannot be written.
   */
  #note(table: DBCoreTable, trans: DBCoreTransaction, keys: readonly unknown[], id: string, gone = false): string {
    const idb = trans as unknown as IDBTransaction
    // An upgrade to the version that adds the notes: all earlier rows are sent anyway.
    if (idb.mode === 'versionchange' && !idb.objectStoreNames.contains(log)) return id
    if (!this.#noted.has(trans)) {
      this.#noted.add(trans)
      idb.addEventListener('complete', () => this.#committed())
    }
    const note: Note = { table: table.name, keys: keys.filter((k): k is string => typeof k === 'string' && k !== ''), at: Date.now(), ...(gone ? { gone } : {}) }
    idb.objectStore(log).put(note, id)
    return id
  }

  /** An id that is higher than earlier ones, and that no other tab generates. */
  #next(): string {
    return Date.now().toString(36).padStart(9, '0') + (this.#count++ % 36 ** 4).toString(36).padStart(4, '0') + this.#tab
  }
}

function keysOf(table: DBCoreTable, request: DBCoreMutateRequest & { type: 'add' | 'put' }): unknown[] {
  const { extractKey } = table.schema.primaryKey
  return request.keys ?? request.values.map(v => extractKey?.(v) as unknown)
}
