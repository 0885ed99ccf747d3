// A device of the matrix: a database that is synced, and a clock that a test can move. The rest is done by tests, with
// `window.device`. The address says which database (?database=) and which workspace (?workspace=).
import { Dexie, type Table } from 'dexie'
import { connect, createAccount, syncStores, type Account, type Sync, type SyncEvents } from '../../src/index.js'

export interface Row { id: string, [member: string]: unknown }

/** What a page of the device offers to tests. */
export interface DevicePage {
  db: Dexie
  notes: Table<Row, string>
  sync: Sync
  account: Account
  /** All that the library has told, in its order. */
  events: { [K in keyof SyncEvents]: SyncEvents[K][] }
  /** Puts the clock forward or back, in milliseconds, from what it really is. */
  moveClock: (by: number) => void
  /** Keeps the library from a path of the server, until it is told another one or null. */
  withhold: (path: string | null) => void
  /** Asks the server, as any script of the page could. */
  ask: (method: string, path: string, body?: object | null, headers?: Record<string, string>) => Promise<{ status: number, text: string }>
  /**
   * Writes one new row after the other, whose ids begin with a name, until `rest` is called, which returns how many
   * there are.
   */
  toil: (name: string) => void
  rest: () => Promise<number>
}

declare global {
  interface Window { device: DevicePage }
}

const asked = new URLSearchParams(location.search)
const workspace = asked.get('workspace')

const realNow = Date.now
let moved = 0
Date.now = () => realNow() + moved

const db = new Dexie(asked.get('database') ?? 'device')
db.version(1).stores({
  notes: 'id',
  threads: 'id',
  messages: 'id, [thread_id+index+order_key]',
  projects: 'id',
  posts: 'id',
  kv: 'id, &name',
  ...syncStores,
})
let withheld: string | null = null
const sync = connect(db, {
  app: 'matrix',
  tables: ['notes'],
  chat: ['threads', 'messages', 'projects', 'posts', 'kv'],
  ...(workspace ? { workspace } : {}),
  fetch: async (input, init) => {
    if (input === withheld) throw new TypeError('withheld')
    return fetch(input, init)
  },
})

const events: DevicePage['events'] = {
  status: [], received: [], sent: [], conflict: [], refused: [], unapplied: [], account: [], clock: [], storage: [], file: [], error: [],
}
for (const name of Object.keys(events) as (keyof SyncEvents)[]) sync.on(name, event => void (events[name] as unknown[]).push(event))

const notes: DevicePage['notes'] = db.table('notes')
let toiling = false
let work: Promise<number> = Promise.resolve(0)

async function writeRows(name: string): Promise<number> {
  for (let n = 0; ; n++) {
    if (!toiling) return n
    await notes.add({ id: `${name} ${n}`, title: `row ${n} of ${name}` })
    await new Promise(resolve => setTimeout(resolve, 2)) // a person's devices do other things as well
  }
}

window.device = {
  db, notes, sync, account: createAccount(), events,
  moveClock: by => void (moved = by),
  withhold: path => void (withheld = path),
  ask: async (method, path, body, headers = {}) => {
    const response = await fetch(path, {
      method, cache: 'no-store',
      ...(body ? { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) } : { headers }),
    })
    // A stream has no end that one could wait for.
    const text = response.headers.get('content-type')?.startsWith('text/event-stream') ? '' : await response.text()
    return { status: response.status, text }
  },
  toil: (name) => {
    toiling = true
    work = writeRows(name)
  },
  rest: () => {
    toiling = false
    return work
  },
}
