// What two devices do to the same rows.
import { expect } from 'vitest'
import { historyOf } from '../history.js'
import { expectEqual, person, until, type Tab, type World } from '../world.js'

/** Writes on either device are on the other one at once, without anyone asking. */
export async function bothWays(world: World): Promise<void> {
  const [a, b] = await world.devicesOf(person('ann'), 2) as [Tab, Tab]
  await a.put({ id: '1', title: 'of a' }, { id: '2', title: 'stays' })
  await b.has('1', 'of a')
  await b.put({ id: '1', title: 'of b' })
  await a.has('1', 'of b')
  await a.delete('1')
  await b.has('1', undefined)
  // What IndexedDB keeps and JSON does not know.
  await b.do(({ notes }) => notes.put({ id: 'values', title: 'values', at: new Date(5), bytes: new Uint8Array([1, 2]), map: new Map([['a', new Set([1n])]]) }))
  await a.has('values', 'values')
  expect(await a.do(async ({ notes }) => {
    const { at, bytes, map } = await notes.get('values') as unknown as { at: Date, bytes: Uint8Array, map: Map<string, Set<bigint>> }
    return [at.getTime(), [...bytes], map.get('a')?.has(1n)]
  })).toEqual([5, [1, 2], true])
  expect(Object.keys(await expectEqual(a, b))).toEqual(['2', 'values'])
  // What has come from the other device is not sent back.
  expect((await historyOf(a)).map(({ pk }) => pk.replace('kv:matrix/notes/', '')).sort()).toEqual(['1', '1', '1', '2', 'values'])
}

/**
 * Two offline devices edit a row. The later edit wins, whichever device is back first, and the other device is told.
 */
export async function sameRowOffline(world: World): Promise<void> {
  for (const first of ['winner', 'loser']) {
    const [early, late, third] = await world.devicesOf(person('ann'), 3) as [Tab, Tab, Tab]
    await early.put({ id: 'edited', title: 'before' }, { id: 'deleted', title: 'before' }, { id: 'kept', title: 'before' })
    await expectEqual(early, late, third)
    early.device.line.cut()
    late.device.line.cut()
    await early.put({ id: 'edited', title: 'early' }, { id: 'deleted', title: 'early' })
    await early.delete('kept')
    const then = await early.do(() => Date.now())
    await until(() => late.do((_, before) => Date.now() > before, then))
    await late.put({ id: 'edited', title: 'late' }, { id: 'kept', title: 'late' })
    await late.delete('deleted')
    const order = first === 'winner' ? [late, early] : [early, late]
    for (const tab of order) {
      tab.device.line.mend()
      await tab.synced()
    }
    expect(await expectEqual(early, late, third)).toEqual({ edited: { id: 'edited', title: 'late' }, kept: { id: 'kept', title: 'late' } })
    // The winner never lost anything. The loser knows if it had not sent its edit; else it has reached the history.
    expect(await late.do(({ events }) => events.conflict)).toEqual([])
    const told = await early.do(({ events }) => events.conflict.sort((x, y) => x.key < y.key ? -1 : 1))
    if (first === 'winner') {
      expect(told).toEqual([
        { table: 'notes', key: 'deleted', lost: { id: 'deleted', title: 'early' } },
        { table: 'notes', key: 'edited', lost: { id: 'edited', title: 'early' }, won: { id: 'edited', title: 'late' } },
        { table: 'notes', key: 'kept', won: { id: 'kept', title: 'late' } },
      ])
    }
    const titles = (await historyOf(early)).map(({ payload }) => (payload?.value as { title: string } | undefined)?.title)
    expect(titles.filter(title => title === 'early'), 'the history has the edits that have lost').toHaveLength(2)
  }
}

/**
 * Messages that two devices have written offline into one chat stand in one order on all, by `index` and then
 * `order_key`.
 */
export async function messageOrder(world: World): Promise<void> {
  const who = person('ann')
  const [a, b] = await world.devicesOf(who, 2) as [Tab, Tab]
  await a.do(({ db }) => db.table('threads').put({ id: 't', title: 'Chat', status: 'ready', pinned: false, forked: false, created_at: 1_800_000_000, updated_at: 1_800_000_000 }))
  await Promise.all([a.synced(), b.synced()])
  const keys = { a: ['m', 'b', 'x', 'd'], b: ['c', 'n', 'a', 'y'] }
  const write = (tab: Tab, name: 'a' | 'b'): Promise<unknown> => tab.do(({ db }, from, orderKeys) => db.table('messages').bulkPut(
    orderKeys.flatMap(order_key => [10, 9, 1].map(index => ({
      id: `${from} ${index} ${order_key}`, thread_id: 't', role: 'user', index, order_key, data: { content: 'text' }, created_at: 1_800_000_000, updated_at: 1_800_000_000,
    })))), name, keys[name])
  for (const { device } of [a, b]) device.line.cut()
  await write(a, 'a')
  await write(b, 'b')
  for (const { device } of [b, a]) device.line.mend()
  await Promise.all([a.synced(), b.synced()])
  await Promise.all([a.synced(), b.synced()])
  // One of them comes between two others, by its key alone.
  await b.do(({ db }) => db.table('messages').update('a 9 d', { order_key: 'bb' }))
  await b.synced()
  const c = await (await world.device()).tab()
  await c.signIn(who)
  await Promise.all([a.synced(), c.synced()])
  const wanted = [1, 9, 10].flatMap(index => ['a', 'b', 'c', 'd', 'm', 'n', 'x', 'y'].map(key => [index, key === 'd' && index === 9 ? 'bb' : key] as const))
    .sort(([i, k], [j, l]) => i - j || (k < l ? -1 : 1))
  for (const tab of [a, b, c]) {
    expect(await tab.do(async ({ db }) => {
      const messages = await db.table('messages').where('[thread_id+index+order_key]').between(['t', -Infinity, ''], ['t', Infinity, '\uffff']).toArray()
      return messages.map(({ index, order_key }: { index: number, order_key: string }) => [index, order_key])
    })).toEqual(wanted)
  }
}

const hour = 3_600_000

/**
 * A device that was offline for six hours and thousands of edits has them on all devices afterwards, and the edits of
 * others.
 */
export async function hoursOffline(world: World): Promise<void> {
  const who = person('ann')
  const [a, b] = await world.devicesOf(who, 2) as [Tab, Tab]
  await a.put(...['earlier', 'later', 'deleted there', 'untouched'].map(id => ({ id, title: 'before' })))
  await expectEqual(a, b)
  a.device.line.cut()
  // The clock goes back, and comes to the present edit by edit.
  await a.do(async ({ notes, moveClock }, span) => {
    const steps = 120
    for (let step = 0; step < steps; step++) {
      moveClock(-span + span * step / steps)
      await notes.bulkPut(Array.from({ length: 25 }, (_, n) => ({ id: `a ${step} ${n}`, title: `written at ${step}` })))
      if (step > 0) {
        await notes.update(`a ${step - 1} 0`, { title: `edited at ${step}` })
        await notes.delete(`a ${step - 1} 1`)
      }
      if (step === steps >> 1) await notes.bulkPut([{ id: 'earlier', title: 'of a' }, { id: 'deleted there', title: 'of a' }])
    }
    moveClock(0)
  }, 6 * hour)
  await b.put({ id: 'earlier', title: 'of b' }, { id: 'later', title: 'of b' }, ...Array.from({ length: 300 }, (_, n) => ({ id: `b ${n}`, title: 'of b' })))
  await b.delete('deleted there')
  await b.synced()
  const then = await b.do(() => Date.now())
  await until(() => a.do((_, before) => Date.now() > before, then))
  await a.put({ id: 'later', title: 'of a' })
  await a.is({ state: 'offline' })
  a.device.line.mend()
  const c = await (await world.device()).tab()
  await c.signIn(who)
  const rows = await expectEqual(a, b, c)
  expect(Object.keys(rows)).toHaveLength(3000 - 119 + 300 + 3)
  expect(['earlier', 'later', 'untouched', 'a 7 0', 'a 119 1'].map(id => rows[id]?.title)).toEqual(['of b', 'of a', 'before', 'edited at 8', 'written at 119'])
  expect(await a.do(({ events }) => events.conflict.map(({ key, won }) => [key, won?.title ?? null]).sort())).toEqual([['deleted there', null], ['earlier', 'of b']])
  expect(await a.do(({ events }) => events.clock)).toEqual([])
}
