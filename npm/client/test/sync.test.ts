import { afterAll, beforeAll, expect, test } from 'vitest'
import { Browser, device, rows, Server, until, type Tab } from './rig.js'

let server: Server
let owner: Browser

beforeAll(async () => {
  server = await Server.start()
  owner = await new Browser(server.url).signIn()
})
afterAll(() => server.remove())

const live = async (...tabs: Tab[]): Promise<void> => {
  for (const { sync } of tabs) expect(await sync.now()).toMatchObject({ state: 'live', error: null, pending: 0 })
}

test('a row that is written on one device is on the other', async () => {
  const a = device(owner.copy()).open()
  const b = device(owner.copy()).open()
  await a.db.todos.add({ id: '1', title: 'milk', due: new Date(86_400_000), of: undefined, bytes: new Uint8Array([1, 2]) })
  await live(a, b)
  expect(await rows(b)).toEqual({ 1: { id: '1', title: 'milk', due: new Date(86_400_000), bytes: new Uint8Array([1, 2]) } })
  await b.db.todos.update('1', { done: true })
  await until(async () => (await a.db.todos.get('1'))?.done === true)
  await a.db.todos.delete('1')
  await until(async () => (await b.db.todos.count()) === 0)
})
