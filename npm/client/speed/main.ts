// What capture and a first sync cost in a browser, beside Dexie alone. scripts/speed.mjs runs it.
import { Dexie } from 'dexie'
import { connect, createAccount, syncStores, type Sync } from '../src/index.js'

interface Measured { name: string, unit: string, alone: number, synced: number }

const row = (n: number) => ({ id: `row-${String(n).padStart(7, '0')}`, title: `What is to be done as number ${n}`, done: n % 3 === 0, notes: 'x'.repeat(100), at: n })

let count = 0

async function database(synced: boolean): Promise<{ db: Dexie, sync: Sync | undefined }> {
  const db = new Dexie(`speed-${++count}`)
  db.version(1).stores({ rows: 'id, at', ...syncStores })
  const sync = synced ? connect(db, { tables: ['rows'], app: 'speed', auto: false }) : undefined
  await db.open()
  return { db, sync }
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!

/** Measures the same work on a database alone and on one that is synced, by turns, so that both have the same machine. */
async function compare(name: string, unit: string, turns: number, per: number, work: (db: Dexie, turn: number) => Promise<unknown>): Promise<Measured> {
  const both = [await database(false), await database(true)]
  const times: [number[], number[]] = [[], []]
  for (let turn = 0; turn < turns; turn++) {
    for (const which of turn % 2 ? [0, 1] as const : [1, 0] as const) {
      const before = performance.now()
      await work(both[which]!.db, turn)
      times[which].push((performance.now() - before) / per)
    }
  }
  for (const { db, sync } of both) {
    await sync?.close()
    await db.delete()
  }
  return { name, unit, alone: median(times[0].slice(2)), synced: median(times[1].slice(2)) }
}

/** How a first sync of rows compares with writing them in bulk. */
async function firstSync(n: number): Promise<Measured> {
  const source = await database(true)
  for (let i = 0; i < n; i += 10_000) await source.db.table('rows').bulkAdd(Array.from({ length: 10_000 }, (_, k) => row(i + k)))
  const pushed = await source.sync!.now()
  if (pushed.pending > 0) throw new Error(JSON.stringify(pushed))
  const alone: number[] = []
  const synced: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    const rows = Array.from({ length: n }, (_, k) => row(k))
    const plain = await database(false)
    let before = performance.now()
    await plain.db.table('rows').bulkPut(rows)
    alone.push(performance.now() - before)
    await plain.db.delete()
    const fresh = await database(true)
    before = performance.now()
    await fresh.sync!.now()
    synced.push(performance.now() - before)
    if (await fresh.db.table('rows').count() !== n) throw new Error('not all rows')
    await fresh.sync!.close()
    await fresh.db.delete()
  }
  return { name: `first sync of ${n} rows, and bulkPut of them`, unit: 'ms', alone: median(alone), synced: median(synced) }
}

Object.assign(globalThis, {
  async measure(email: string, password: string, rows: number): Promise<Measured[]> {
    await createAccount().signIn(email, password)
    return [
      await compare('put', 'ms', 40, 100, async (db, turn) => {
        for (let i = 0; i < 100; i++) await db.table('rows').put(row(turn * 100 + i))
      }),
      await compare('update', 'ms', 40, 100, async (db, turn) => {
        if (turn === 0) await db.table('rows').bulkPut(Array.from({ length: 100 }, (_, k) => row(k)))
        for (let i = 0; i < 100; i++) await db.table('rows').update(row(i).id, { at: turn })
      }),
      await compare('bulkPut of 1000', 'ms', 30, 1, (db, turn) => db.table('rows').bulkPut(Array.from({ length: 1000 }, (_, k) => row(turn * 1000 + k)))),
      await firstSync(rows),
    ]
  },
})
