// What capture and a first sync cost in a browser, beside Dexie alone. scripts/speed.mjs runs it.
import { Dexie } from 'dexie'
import { connect, createAccount, syncStores, type Sync } from '../src/index.js'

/** A comparison of two ways to do the same, in milliseconds. */
export interface Measured {
  name: string
  alone: number
  synced: number
  /** How many times the one is the other: the median, and what three quarters of the turns were above. */
  ratio: number
  surely: number
  /** What it has to be. Without one it is the floor: what the browser takes for it in any case. */
  target?: number
}

const row = (n: number) => ({ id: `row-${String(n).padStart(7, '0')}`, title: `Task number ${n}`, done: n % 3 === 0, notes: 'x'.repeat(100), at: n })

const rowsFrom = (n: number, count: number) => Array.from({ length: count }, (_, k) => row(n + k))

let count = 0

async function database(synced: boolean): Promise<{ db: Dexie, sync: Sync | undefined }> {
  const db = new Dexie(`speed-${++count}`)
  db.version(1).stores({ rows: 'id, at', ...syncStores })
  const sync = synced ? connect(db, { tables: ['rows'], app: 'speed', auto: false }) : undefined
  await db.open()
  return { db, sync }
}

const sorted = (values: number[]): number[] => [...values].sort((a, b) => a - b)
const median = (values: number[]): number => sorted(values)[values.length >> 1]!

/** How long work takes, in milliseconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now()
  await work()
  return performance.now() - before
}

/** One turn of work, and how long it took, in milliseconds. */
type Turn = (turn: number) => Promise<number>

/** Does two things by turns, so that both have the same machine. `per` is how often a turn does it. */
async function byTurns(name: string, turns: number, per: number, works: [Turn, Turn], target?: number): Promise<Measured> {
  const times: [number[], number[]] = [[], []]
  // The first turns of many only warm up.
  const warm = Math.min(2, turns >> 3)
  for (let turn = -warm; turn < turns; turn++) {
    for (const which of turn % 2 ? [0, 1] as const : [1, 0] as const) {
      const time = await works[which](turn + warm)
      if (turn >= 0) times[which].push(time / per)
    }
  }
  const ratios = sorted(times[1].map((time, turn) => time / times[0][turn]!))
  return { name, alone: median(times[0]), synced: median(times[1]), ratio: median(ratios), surely: ratios[turns >> 2]!, ...(target ? { target } : {}) }
}

/** What is done in a turn. */
type Work = (db: Dexie, turn: number) => Promise<unknown>

/** Measures the same work on a database alone and on one that is synced. */
async function capture(name: string, turns: number, per: number, work: Work, before?: Work): Promise<Measured> {
  const both = [await database(false), await database(true)] as const
  for (const { db } of both) await db.table('rows').bulkPut(rowsFrom(0, 100))
  const turnOf = (db: Dexie): Turn => async (turn) => {
    await before?.(db, turn)
    return timed(() => work(db, turn))
  }
  const measured = await byTurns(name, turns, per, [turnOf(both[0].db), turnOf(both[1].db)], 1.05)
  for (const { db, sync } of both) {
    await sync?.close()
    await db.delete()
  }
  return measured
}

/** What one more request costs in a transaction that writes a row, without Dexie and this library. */
async function floor(type: 'put' | 'delete'): Promise<Measured> {
  const name = `floor-${++count}`
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open(name)
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore('rows', { keyPath: 'id' }).createIndex('at', 'at')
      opening.result.createObjectStore('notes')
    }
    opening.onsuccess = () => resolve(opening.result)
    opening.onerror = () => reject(opening.error!)
  })
  let n = 0
  const write = (noted: boolean): Promise<void> => new Promise((resolve, reject) => {
    const transaction = db.transaction(noted ? ['rows', 'notes'] : ['rows'], 'readwrite')
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error!)
    const rows = transaction.objectStore('rows')
    const request = type === 'put' ? rows.put(row(++n)) : rows.delete(row(++n).id)
    request.onsuccess = () => transaction.commit()
    if (noted) transaction.objectStore('notes').put(0, n)
  })
  const often = (noted: boolean): Turn => () => timed(() => hundred(() => write(noted)))
  const measured = await byTurns(`floor of ${type}: one more request, without Dexie`, 40, 100, [often(false), often(true)])
  db.close()
  indexedDB.deleteDatabase(name)
  return measured
}

/** How a first sync of rows compares with writing them in bulk. */
async function firstSync(n: number): Promise<Measured> {
  const source = await database(true)
  for (let i = 0; i < n; i += 10_000) await source.db.table('rows').bulkAdd(rowsFrom(i, Math.min(10_000, n - i)))
  const pushed = await source.sync!.now()
  if (pushed.pending > 0) throw new Error(JSON.stringify(pushed))
  const rows = rowsFrom(0, n)
  const fill = (isSynced: boolean): Turn => async () => {
    const { db, sync } = await database(isSynced)
    const time = await timed(() => sync ? sync.now() : db.table('rows').bulkPut(rows))
    if (await db.table('rows').count() !== n) throw new Error('not all rows')
    await sync?.close()
    await db.delete()
    return time
  }
  return byTurns(`first sync of ${n} rows, and bulkPut of them`, 3, 1, [fill(false), fill(true)], 1.5)
}

const hundred = async (work: (i: number) => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < 100; i++) await work(i)
}

Object.assign(globalThis, {
  async measure(email: string, password: string, rows: number): Promise<Measured[]> {
    await createAccount().signIn(email, password)
    return [
      await floor('put'),
      await capture('put', 40, 100, (db, turn) => hundred(i => db.table('rows').put(row(turn * 100 + i)))),
      await capture('update', 40, 100, (db, turn) => hundred(i => db.table('rows').update(row(i).id, { at: turn }))),
      await floor('delete'),
      await capture('delete', 40, 100, db => hundred(i => db.table('rows').delete(row(i).id)), db => db.table('rows').bulkPut(rowsFrom(0, 100))),
      await capture('transaction of ten puts', 30, 10, async (db, turn) => {
        for (let i = 0; i < 10; i++) {
          await db.transaction('rw', 'rows', async () => {
            for (let k = 0; k < 10; k++) await db.table('rows').put(row(turn * 100 + i * 10 + k))
          })
        }
      }),
      await capture('bulkPut of 1000', 30, 1, (db, turn) => db.table('rows').bulkPut(rowsFrom(turn * 1000, 1000))),
      await firstSync(rows),
    ]
  },
})
