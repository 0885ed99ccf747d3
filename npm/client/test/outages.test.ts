// Devices that sync by themselves, as those of people do, with a server that is killed under them again and again.
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Random } from './random.js'
import { Browser, device, rows, Server, until } from './rig.js'

let server: Server

beforeAll(async () => {
  server = await Server.start()
})
afterAll(() => server.remove())

test('eight devices write while the server is killed, and end with the same rows', async () => {
  const owner = await new Browser(server.url).signIn()
  const random = new Random(26)
  const devices = Array.from({ length: 8 }, () => device(owner.copy()))
  const tabs = devices.flatMap((d, n) => n < 2 ? [d.open(), d.open()] : [d.open()])
  let over = false
  const written = new Set<string>()
  const write = async (n: number): Promise<void> => {
    for (let i = 0; !over; i++) {
      const id = random.chance(0.5) ? `shared ${random.below(5)}` : `${n}-${i}`
      written.add(id)
      await tabs[n]!.db.todos.put({ id, title: `${i} of ${n}` })
      await pause(5)
    }
  }
  const writing = Promise.all(tabs.map((_, n) => write(n)))
  for (let i = 0; i < 4; i++) {
    const before = tabs[0]!.events.sent?.length ?? 0
    await until(() => (tabs[0]!.events.sent?.length ?? 0) > before)
    await server.stop(i % 2 ? 'SIGTERM' : 'SIGKILL')
    const size = written.size
    await until(() => written.size > size + 20)
    await server.start()
  }
  over = true
  await writing
  for (const tab of tabs) await until(async () => (await tab.sync.now()).pending === 0)
  for (const tab of tabs) await until(async () => (await tab.sync.now()).state === 'live' && (await tab.db.todos.count()) === written.size)
  const first = await rows(tabs[0]!)
  expect(Object.keys(first).sort()).toEqual([...written].sort())
  for (const tab of tabs) expect(await rows(tab)).toEqual(first)
  for (const tab of tabs) expect(await tab.sync.problems()).toEqual([])
})

test('a device that writes all the time gets what others write, also from a server without a stream', async () => {
  const owner = await new Browser(server.url).signIn()
  const busy = owner.copy()
  busy.network = async (send, path) => path.startsWith('/api/sync/events') ? new Response('{}', { status: 404 }) : send()
  const [a, b] = [device(busy).open(), device(owner.copy()).open()]
  await until(async () => (await a.sync.now()).state === 'live')
  let over = false
  const writing = (async () => {
    for (let i = 0; !over; i++) {
      await a.db.todos.put({ id: 'busy', title: `${i}` })
      await pause(1)
    }
  })()
  await b.db.todos.put({ id: 'of b', title: '' })
  await until(async () => await a.db.todos.get('of b') !== undefined)
  over = true
  await writing
})
