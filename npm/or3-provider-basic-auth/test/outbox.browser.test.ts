import { afterEach, expect, it } from 'vitest'
import { createOutbox } from '../src/runtime/account/unsent/outbox'

/** The databases of OR3 Chat as Dexie makes them: it multiplies versions by ten. */
function database(name: string, version: number, fill: (database: IDBDatabase) => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version * 10)
    request.onupgradeneeded = () => fill(request.result)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error as Error)
  })
}

const made: IDBDatabase[] = []

async function workspace(id: string, ops: object[]) {
  const db = await database(`or3-db-${id}`, 12, (db) => {
    const store = db.createObjectStore('pending_ops', { keyPath: 'id' })
    store.createIndex('status', 'status')
    ops.forEach((op, index) => store.add({ id: `${index}`, tableName: 'threads', operation: 'put', createdAt: 1, attempts: 0, ...op }))
  })
  made.push(db) // the app has it open all the time
}

async function common(kv: Record<string, string>) {
  made.push(await database('or3-db', 12, (db) => {
    const store = db.createObjectStore('kv', { keyPath: 'id' })
    store.createIndex('name', 'name', { unique: true })
    for (const [name, value] of Object.entries(kv)) store.add({ id: name, name, value })
  }))
}

afterEach(async () => {
  for (const db of made.splice(0)) db.close()
  await Promise.all((await indexedDB.databases()).map(({ name }) => new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name!)
    request.onsuccess = request.onerror = resolve
  })))
})

const outbox = (...ids: string[]) => createOutbox({ databases: indexedDB, workspaces: async () => ids })

it('finds nothing where OR3 Chat was never open, and makes nothing', async () => {
  expect(await outbox()()).toEqual({ waiting: 0, failed: 0, cleared: 0 })
  expect(await createOutbox({ databases: undefined, workspaces: async () => [] })()).toEqual({ waiting: 0, failed: 0, cleared: 0 })
  expect(await indexedDB.databases()).toEqual([])
})

it('counts the rows of all workspaces of the signed-in user', async () => {
  await common({})
  await workspace('w1', [{ pk: 'a', status: 'pending' }, { pk: 'a', status: 'syncing' }, { pk: 'b', status: 'failed' }, { pk: 'c', status: 'applied' }])
  await workspace('w2', [{ pk: 'd', status: 'retry_wait' }])
  await workspace('of-someone-else', [{ pk: 'e', status: 'pending' }])
  expect(await outbox('w1', 'w2', 'w3')()).toEqual({ waiting: 2, failed: 1, cleared: 0 })
})

it('counts everything where the workspaces cannot be asked for', async () => {
  await workspace('w1', [{ pk: 'a', status: 'pending' }])
  const unknown = createOutbox({ databases: indexedDB, workspaces: async () => Promise.reject(new Error('offline')) })
  expect(await unknown()).toEqual({ waiting: 1, failed: 0, cleared: 0 })
})

it('knows which of them a sign-out clears', async () => {
  await common({ 'workspace.logout.policy.w1': 'clear', 'workspace.logout.policy.w2': 'keep' })
  await workspace('w1', [{ pk: 'a', status: 'pending' }, { pk: 'b', status: 'failed' }])
  await workspace('w2', [{ pk: 'c', status: 'pending' }])
  expect(await outbox('w1', 'w2')()).toEqual({ waiting: 2, failed: 1, cleared: 2 })
})

it('blocks no one, and takes other databases for what they are', async () => {
  made.push(await database('or3-db-odd', 1, db => void db.createObjectStore('something')))
  await workspace('w1', [{ pk: 'a', status: 'pending' }])
  expect(await outbox('w1', 'odd')()).toEqual({ waiting: 1, failed: 0, cleared: 0 })
  made.pop()!.close()
  made.push(await database('or3-db-w1', 13, () => {})) // an upgrade waits for no one
  expect(await outbox('w1')()).toEqual({ waiting: 1, failed: 0, cleared: 0 })
})
