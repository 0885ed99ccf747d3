// An app without a face, for tests of what only a browser does.
import { Dexie } from 'dexie'
import { connect, createAccount, syncStores } from '../../src/index.js'

const db = new Dexie('app') as Dexie & { todos: Dexie.Table, notes: Dexie.Table }
db.version(1).stores({ todos: 'id', notes: 'id, &slug', ...syncStores })
const sync = connect(db, { tables: ['todos', 'notes'] })

/** What the app was told, in order. */
const told: { name: string, event: unknown }[] = []
for (const name of ['conflict', 'refused', 'unapplied', 'account', 'clock', 'storage', 'file', 'error'] as const)
  sync.on(name, event => told.push({ name, event }))

const itself = { db, sync, told, account: createAccount() }

declare global {
  var app: typeof itself
}

globalThis.app = itself
