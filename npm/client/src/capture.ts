// Sees every write of the app and notes in its own transaction that it was made: both are there afterwards, or neither.
import type {
  DBCore, DBCoreMutateRequest, DBCoreMutateResponse, DBCoreTable, DBCoreTransaction, Dexie, Transaction,
} from 'dexie'
import type { Capture } from './stores.js'

const log = 'sync_captures'

/** Watches the writes of a database. It has to be made before the database is opened. */
export class Captures {
  /** The transactions of the library itself, whose writes are not those of the app. */
  readonly #ours = new WeakSet<DBCoreTransaction>()
  readonly #noted = new WeakSet<DBCoreTransaction>()
  readonly #tables: ReadonlySet<string>
  readonly #committed: () => void
  readonly #dexie: typeof Dexie

  /** `committed` is called after each transaction of the app with writes to `tables`. */
  constructor(db: Dexie, tables: readonly string[], committed: () => void) {
    if (db.isOpen()) throw new TypeError(`The database ${db.name} is open already: connect it before it is used, so that no write is missed`)
    this.#tables = new Set(tables)
    this.#committed = committed
    this.#dexie = db.constructor as typeof Dexie
    db.use({ stack: 'dbcore', name: 'or3-cloud-client', level: 1, create: core => this.#watch(core) })
  }

  /** Says that what a transaction writes has come from the server. */
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
        if (!this.#tables.has(name)) return table
        const captures = core.table(log)
        return { ...table, mutate: request => this.#mutate(table, captures, request) }
      },
    }
  }

  #mutate(table: DBCoreTable, captures: DBCoreTable, request: DBCoreMutateRequest): Promise<DBCoreMutateResponse> {
    const { trans } = request
    if (this.#ours.has(trans)) return table.mutate(request)
    if (!this.#noted.has(trans)) {
      this.#noted.add(trans);
      (trans as Partial<IDBTransaction>).addEventListener?.('complete', () => this.#committed())
    }
    // Dexie's own promises keep its transactions alive and their zones.
    const { Promise } = this.#dexie
    if (request.type === 'deleteRange') {
      const { range } = request
      const keys = Promise.resolve(table.query({ trans, values: false, query: { index: table.schema.primaryKey, range } }))
      return keys.then(({ result }) => Promise.all([table.mutate(request), note(table, captures, trans, result)])).then(([done]) => done)
    }
    const keys = request.type === 'delete' ? request.keys : keysOf(table, request)
    const wrong = keys.find(key => typeof key !== 'string' || key === '' || key.length > 800)
    if (wrong !== undefined && request.type !== 'delete')
      return Promise.reject(new TypeError(`The keys of synced rows are texts of 1 to 800 characters; one for ${table.name} is ${String(wrong).slice(0, 100)}`))
    // Both requests are on their way before either is done: the note costs no wait of its own.
    return Promise.all([table.mutate(request), note(table, captures, trans, keys)]).then(([done, noted]) => {
      if (done.numFailures === 0) return done
      const written = keys.filter((_, i) => !(i in done.failures))
      return Promise.resolve(note(table, captures, trans, written, noted?.results?.[0] as number)).then(() => done)
    })
  }
}

/** Notes that rows are written; `seq` is that of a note which is replaced. */
function note(table: DBCoreTable, captures: DBCoreTable, trans: DBCoreTransaction, keys: readonly unknown[], seq?: number): Promise<DBCoreMutateResponse> | undefined {
  if (keys.length === 0 && seq === undefined) return undefined
  const capture: Capture = { table: table.name, keys: keys as string[], at: Date.now() }
  if (seq !== undefined) capture.seq = seq
  return captures.mutate({ type: 'put', trans, values: [capture] })
}

function keysOf(table: DBCoreTable, request: DBCoreMutateRequest & { type: 'add' | 'put' }): unknown[] {
  const { extractKey } = table.schema.primaryKey
  return request.keys ?? request.values.map(v => extractKey?.(v) as unknown)
}
