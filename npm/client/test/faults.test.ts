import { Dexie } from 'dexie'
import { IDBKeyRange } from 'fake-indexeddb'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { connect, syncStores } from '../src/index.js'
import { timeOf } from '../src/stamp.js'
import { ann, Browser, device, rows, Server, until, type Tab } from './rig.js'

let server: Server
let owner: Browser

beforeAll(async () => {
  server = await Server.start()
  owner = await new Browser(server.url).signIn()
})
afterAll(() => server.remove())

const manual = { tables: ['todos'], auto: false }

/** A new workspace that a person has made active, and browsers of theirs. */
async function someone(person: Browser = owner): Promise<() => Browser> {
  const { id } = await person.post('/api/workspaces', { name: 'Of a test' }) as { id: string }
  await person.post('/api/workspaces/active', { id })
  return () => person.copy()
}

const live = async (...tabs: Tab[]): Promise<void> => {
  for (const { sync } of tabs) expect(await sync.now()).toMatchObject({ state: 'live', error: null, pending: 0 })
}

const answer = (status: number, body: string, headers: Record<string, string> = {}): Response => new Response(body, { status, headers })

test('all ways to write are captured, and what is undone is not', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  const { todos } = a.db
  await todos.bulkAdd([1, 2, 3, 4, 5, 6, 7, 8].map(n => ({ id: `${n}`, title: `${n}`, done: n > 4 })))
  await live(a, b)
  await todos.where('id').below('3').delete()
  await todos.toCollection().filter(t => t.done === true).modify({ title: 'modified' })
  await todos.upsert('3', { title: 'upserted' })
  await todos.bulkUpdate([{ key: '4', changes: { title: 'updated' } }])
  await todos.bulkDelete(['8', 'none'])
  await a.db.transaction('rw', todos, async (tx) => {
    await todos.put({ id: 'undone', title: '' })
    tx.abort()
  }).catch(() => undefined)
  await todos.add({ id: '3', title: 'twice' }).catch(() => undefined)
  await todos.bulkAdd([{ id: '4', title: 'twice' }, { id: '9', title: 'new' }]).catch(() => undefined)
  const before = await rows(a)
  expect(Object.keys(before)).toEqual(['3', '4', '5', '6', '7', '9'])
  await live(a, b)
  expect(await rows(b)).toEqual(before)
  await todos.clear()
  await live(a, b)
  expect(await rows(b)).toEqual({})
})

test('what has come from the server is not sent back', async () => {
  const browser = await someone()
  const a = device(browser()).open(manual)
  const other = browser()
  const b = device(other).open(manual)
  const pushes: string[] = []
  other.network = (send, path) => {
    if (path === '/api/sync/push') pushes.push(path)
    return send()
  }
  await a.db.todos.bulkPut([{ id: '1', title: 'one' }, { id: '2', title: 'two' }])
  await live(a, b)
  await a.db.todos.delete('1')
  await live(a, b)
  expect(await rows(b)).toEqual({ 2: { id: '2', title: 'two' } })
  expect(pushes).toEqual([])
})

test('rows from before the database was connected are sent, in as many pages as it takes, and an interrupted first sync goes on', async () => {
  const browser = await someone()
  const d = device(browser())
  const before = d.database()
  await before.todos.bulkAdd(Array.from({ length: 2500 }, (_, n) => ({ id: `row ${n}`, title: 'x' })))
  before.close()
  const a = d.open(manual)
  await live(a)
  const cut = browser()
  let pages = 0
  cut.network = (send, path) => {
    if (path === '/api/sync/snapshot' && ++pages === 2) throw new TypeError('cut')
    return send()
  }
  const b = device(cut).open(manual)
  expect((await b.sync.now()).state).toBe('offline')
  expect(await b.db.todos.count()).toBe(1000)
  await b.db.todos.update('row 1', { title: 'edited meanwhile' })
  await live(b, a)
  expect(pages).toBe(4)
  expect(await rows(a)).toEqual(await rows(b))
  expect(await a.db.todos.get('row 1')).toMatchObject({ title: 'edited meanwhile' })
  // Revisions of rows that came together are found again.
  await b.db.todos.update('row 2000', { title: 'edited' })
  await live(b, a)
  expect(await a.db.todos.get('row 2000')).toMatchObject({ title: 'edited' })
})

test('an app that upgrades its database, and is synced from then on, loses nothing', async () => {
  const browser = await someone()
  const d = device(browser())
  const old = new Dexie(d.name, { indexedDB: d.indexedDB, IDBKeyRange })
  old.version(1).stores({ todos: 'id' })
  await old.table('todos').add({ id: '1', title: 'old' })
  old.close()
  const upgraded = new Dexie(d.name, { indexedDB: d.indexedDB, IDBKeyRange }) as ReturnType<typeof d.database>
  upgraded.version(1).stores({ todos: 'id' })
  upgraded.version(2).stores({ todos: 'id' }).upgrade(tx => tx.table('todos').toCollection().modify({ title: 'upgraded' }))
  upgraded.version(3).stores({ notes: 'id', ...syncStores }).upgrade(tx => tx.table('todos').add({ id: '2', title: 'made by the upgrade' }))
  const a = d.open({ ...manual, tables: ['todos', 'notes'] }, upgraded)
  const b = device(browser()).open(manual)
  await live(a, b)
  expect(await rows(b)).toEqual({ 1: { id: '1', title: 'upgraded' }, 2: { id: '2', title: 'made by the upgrade' } })
  // An app of a newer version syncs more tables than the one that has written.
  await a.db.notes.put({ id: 'n', title: 'of a table that b does not know yet' })
  await live(a, b)
  const later = device(browser())
  const c = later.open(manual)
  await live(c)
  await later.close(c)
  const newer = later.open({ ...manual, tables: ['todos', 'notes'] })
  await live(newer)
  expect(await newer.db.notes.count()).toBe(1)
})

test.each<[string, () => Promise<Response> | Response, string]>([
  ['a closed port', () => Promise.reject(new TypeError('fetch failed')), 'offline'],
  ['404', () => answer(404, '{"message":"Not Found"}'), 'unavailable'],
  ['500', () => answer(500, 'oops'), 'unavailable'],
  ['503', () => answer(503, '{"message":"Starting"}', { 'retry-after': '1' }), 'unavailable'],
  ['429', () => answer(429, '{"message":"Slow down"}', { 'retry-after': '0' }), 'unavailable'],
  ['the page of a hotel', () => answer(200, '<html>Welcome'), 'bad-answer'],
  ['JSON of something else', () => answer(200, '{"ok":true}'), 'bad-answer'],
  ['an empty body', () => answer(200, ''), 'bad-answer'],
])('%s costs no edit', async (_, network, code) => {
  const browser = await someone()
  const mine = browser()
  const [a, b] = [device(mine).open(manual), device(browser()).open(manual)]
  await live(a, b)
  mine.network = async () => network()
  for (let n = 0; n < 8; n++) {
    await a.db.todos.put({ id: '1', title: `${n}` })
    expect(await a.sync.now()).toMatchObject({ state: 'offline', pending: 1, error: { code } })
    // However often a row is written that cannot be sent, one record stands for it.
    expect(await a.db.table('sync_notes').count()).toBe(0)
  }
  expect(a.events.error).toHaveLength(1)
  mine.network = send => send()
  await live(a, b)
  expect(await rows(b)).toEqual({ 1: { id: '1', title: '7' } })
})

test('a request that is refused as a whole costs no edit but the one that is wrong', async () => {
  const browser = await someone()
  const mine = browser()
  const [a, b] = [device(mine).open(manual), device(browser()).open(manual)]
  mine.network = (send, path, body) => path === '/api/sync/push' && body.includes('poison') ? Promise.resolve(answer(413, '{}')) : send()
  await a.db.todos.bulkPut(Array.from({ length: 20 }, (_, n) => ({ id: `${n}`, title: n === 13 ? 'poison' : 'good' })))
  expect(await a.sync.now()).toMatchObject({ state: 'live', pending: 1 })
  await live(b)
  expect(await b.db.todos.count()).toBe(19)
  expect(a.events.refused).toMatchObject([{ table: 'todos', key: '13', code: 'OVERSIZED' }])
  expect(await a.sync.problems()).toMatchObject([{ kind: 'refused', key: '13' }])
  mine.network = send => send()
  await a.sync.retry()
  await live(a, b)
  expect(await b.db.todos.count()).toBe(20)
  expect(await a.sync.problems()).toEqual([])
})

test('a row that is too large, or has what cannot travel, stays here until it is edited', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  await a.db.todos.bulkPut([
    { id: 'large', title: 'x'.repeat(5 << 20) }, { id: 'blob', title: '', blob: new Blob(['x']) }, { id: 'good', title: 'good' },
  ])
  expect(await a.sync.now()).toMatchObject({ state: 'live', pending: 2 })
  await live(b)
  expect(Object.keys(await rows(b))).toEqual(['good'])
  expect(a.events.refused?.map(e => [e.key, e.code]).sort()).toEqual([['blob', 'UNREADABLE'], ['large', 'OVERSIZED']])
  await a.db.todos.bulkPut([{ id: 'large', title: 'small' }, { id: 'blob', title: 'none' }])
  await live(a, b)
  expect(await rows(b)).toEqual(await rows(a))
})

test('a row that the database refuses holds up no other, and is applied when it can be', async () => {
  const browser = await someone()
  const options = { ...manual, tables: ['notes'] }
  const [a, b] = [device(browser()).open(options), device(browser()).open(options)]
  await live(a, b)
  await a.db.notes.put({ id: '1', title: 'of a', slug: 'same' })
  await b.db.notes.bulkPut([{ id: '2', title: 'of b', slug: 'same' }, { id: '3', title: 'of b', slug: 'other' }])
  await live(b, a)
  expect(Object.keys(await rows(a, 'notes'))).toEqual(['1', '3'])
  expect(a.events.unapplied).toMatchObject([{ table: 'notes', key: '2' }])
  expect(await a.sync.problems()).toMatchObject([{ kind: 'unapplied', table: 'notes', key: '2' }])
  await a.db.notes.update('1', { slug: 'mine' })
  await live(a, b, a)
  await a.sync.retry()
  expect(await rows(a, 'notes')).toEqual(await rows(b, 'notes'))
  expect(await a.sync.problems()).toEqual([])
})

test('rows that have swapped unique values are applied together', async () => {
  const browser = await someone()
  const options = { ...manual, tables: ['notes'] }
  const [a, b] = [device(browser()).open(options), device(browser()).open(options)]
  const slugs = async (...list: string[]): Promise<void> => a.db.transaction('rw', a.db.notes, async () => {
    await a.db.notes.clear()
    await a.db.notes.bulkPut(list.map((slug, i) => ({ id: String(i), title: slug, slug })))
  })
  await slugs('p', 'q', 'r', 's', 't')
  await live(a, b)
  // Two have swapped, three have gone round, and one takes the value that another leaves in the same page.
  await slugs('q', 'p', 's', 't', 'r')
  await live(a, b)
  expect(await rows(b, 'notes')).toEqual(await rows(a, 'notes'))
  await slugs('x', 'q', 's', 't', 'r')
  await live(a, b)
  expect(await rows(b, 'notes')).toEqual(await rows(a, 'notes'))
  expect(b.events.unapplied).toBeUndefined()
  // One that stays in the way of another keeps neither of two that have swapped.
  await b.db.notes.put({ id: 'mine', title: 'local', slug: 'y' })
  await slugs('q', 'x', 'y', 't', 'r')
  await live(a)
  await b.sync.now()
  expect(await rows(b, 'notes')).toMatchObject({ 0: { slug: 'q' }, 1: { slug: 'x' }, 2: { slug: 's' }, 3: { slug: 't' }, 4: { slug: 'r' } })
  expect(b.events.unapplied).toMatchObject([{ table: 'notes', key: '2' }])
  await b.db.notes.update('mine', { slug: 'z' })
  await b.sync.retry()
  await live(b, a)
  expect(await rows(b, 'notes')).toEqual(await rows(a, 'notes'))
  expect(await b.sync.problems()).toEqual([])
})

test('who signs out keeps the edits, and sends them after signing in', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  await live(a, b)
  const { browser: mine } = { browser: browser() }
  const c = device(mine).open(manual)
  const network = mine.network
  mine.network = async (_, path) => path === '/api/auth/session' ? answer(200, '{"session":null}') : answer(401, '{}')
  await c.db.todos.put({ id: '1', title: 'before signing in' })
  expect(await c.sync.now()).toMatchObject({ state: 'signed-out', pending: 1 })
  mine.network = network
  await live(c, b)
  expect(await b.db.todos.count()).toBe(1)
})

test('another account gets nothing of the database, until it is cleared', async () => {
  const [ann, bob] = [(await someone())(), await new Browser(server.url).register({ email: 'bob@example.test', password: 'Correct-Horse-9-Battery' })]
  const mine = ann.copy()
  const d = device(mine)
  const a = d.open(manual)
  await a.db.todos.put({ id: '1', title: 'of ann' })
  await live(a)
  await a.db.todos.put({ id: '2', title: 'of ann' })
  await d.close(a)
  mine.become(bob)
  const b = d.open(manual)
  const sent: string[] = []
  mine.network = (send, path) => {
    sent.push(path)
    return send()
  }
  expect(await b.sync.now()).toMatchObject({ state: 'other-account', pending: 1 })
  expect(b.events.account).toHaveLength(1)
  expect(sent).toEqual(['/api/auth/session'])
  await expect(b.sync.clear()).rejects.toMatchObject({ code: 'other-account' })
  mine.become(ann)
  await live(b)
  mine.become(bob)
  await b.sync.clear()
  await live(b)
  expect(await rows(b)).toEqual({})
})

test('what was answered to someone who has signed in meanwhile is asked for again', async () => {
  const { password } = ann
  const shared = await Server.start({ OR3_ADMIN_USERNAME: 'root', OR3_ADMIN_PASSWORD: password })
  onTestFinished(() => shared.remove())
  const people = [await new Browser(shared.url).signIn(), await new Browser(shared.url).register({ email: 'bob@example.test', password })] as const
  const { id: workspace } = await people[0].post('/api/workspaces', { name: 'Of both' }) as { id: string }
  await people[0].post('/api/admin/workspace/members/upsert', { workspaceId: workspace, emailOrProviderId: 'bob@example.test', role: 'editor' })
  const open = (browser: Browser): Tab => {
    const d = device(browser)
    return d.open({ chat: ['notifications'], workspace, auto: false }, d.database({ notifications: 'id' }))
  }
  const writers = people.map(person => open(person.copy()))
  const ids = await Promise.all(people.map(async person =>
    (await (await person.fetch(`${shared.url}/api/auth/session`)).json() as { session: { user: { id: string } } }).session.user.id))
  const notify = async (title: string): Promise<void> => {
    for (const [n, tab] of writers.entries()) {
      const row = { id: `${title} ${n}`, user_id: ids[n], type: 'system', title, deleted: false, created_at: 1, updated_at: 1 }
      await tab.db.table('notifications').put(row)
      await live(tab)
    }
  }
  const mine = people[0].copy()
  const a = open(mine)
  for (const [path, title] of [['/api/sync/snapshot', 'first'], ['/api/sync/pull', 'second']] as const) {
    await notify(title)
    const before = await rows(a, 'notifications')
    // The session cookie goes with the request.
    const asOther = (body: string): Promise<Response> =>
      people[1].fetch(shared.url + path, { method: 'POST', body, headers: { 'content-type': 'application/json', 'x-or3-cloud-intent': 'mutation' } })
    mine.network = async (send, to, body) => {
      if (to !== path) return send()
      mine.become(people[1])
      return asOther(body)
    }
    expect(await a.sync.now()).toMatchObject({ state: 'other-account' })
    expect(await rows(a, 'notifications')).toEqual(before)
    // They are signed out again before it is looked who is there.
    mine.network = async (send, to, body) => {
      if (to === path) return asOther(body)
      mine.become(people[0])
      return send()
    }
    mine.become(people[0])
    expect(await a.sync.now()).toMatchObject({ state: 'other-account' })
    expect(await rows(a, 'notifications')).toEqual(before)
    mine.network = send => send()
    mine.become(people[0])
    await live(a)
    expect(Object.keys(await rows(a, 'notifications'))).toContain(`${title} 0`)
  }
  expect(Object.keys(await rows(a, 'notifications'))).toEqual(['first 0', 'second 0'])
})

test('who may only read gets what others write, and keeps their own edits', async () => {
  const browser = await someone()
  const mine = browser()
  const [a, b] = [device(mine).open(manual), device(browser()).open(manual)]
  await live(a, b)
  mine.network = async (send, path) => path === '/api/sync/push' ? answer(403, '{"message":"Forbidden"}') : send()
  await a.db.todos.put({ id: '1', title: 'of a' })
  await b.db.todos.put({ id: '2', title: 'of b' })
  await live(b)
  expect(await a.sync.now()).toMatchObject({ state: 'live', readOnly: true, pending: 1 })
  expect(Object.keys(await rows(a))).toEqual(['1', '2'])
  mine.network = send => send()
  await live(a)
  expect(a.sync.status.readOnly).toBe(false)
})

test('a workspace that is gone takes no edit with it', async () => {
  const browser = await someone()
  const { id } = await browser().post('/api/workspaces', { name: 'Second' }) as { id: string }
  const a = device(browser()).open({ ...manual, workspace: id })
  await a.db.todos.put({ id: '1', title: 'sent' })
  await live(a)
  const gone = await browser().fetch(`${server.url}/api/workspaces/${id}`, { method: 'DELETE' })
  expect(gone.status).toBeLessThan(300)
  await a.db.todos.put({ id: '2', title: 'not sent' })
  expect(await a.sync.now()).toMatchObject({ state: 'forbidden', pending: 1, error: { code: 'forbidden' } })
  expect(Object.keys(await rows(a))).toEqual(['1', '2'])
})

test('a browser without room loses no change, and goes on when there is some', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  await live(a, b)
  await a.db.todos.bulkPut([{ id: '1', title: 'x' }, { id: '2', title: 'y' }])
  await live(a)
  let full = true
  b.db.todos.hook('creating', () => {
    if (full) throw new DOMException('no room', 'QuotaExceededError')
  })
  expect(await b.sync.now()).toMatchObject({ state: 'storage', error: { code: 'quota' } })
  expect(b.events.storage).toMatchObject([{ code: 'quota' }])
  expect(await b.db.todos.count()).toBe(0)
  full = false
  await live(b)
  expect(await rows(b)).toEqual(await rows(a))
})

test('a database that is deleted under way is filled again', async () => {
  const browser = await someone()
  const d = device(browser())
  const a = d.open(manual)
  await a.db.todos.put({ id: '1', title: 'x' })
  await live(a)
  await new Dexie(d.name, { indexedDB: d.indexedDB, IDBKeyRange }).delete()
  expect((await a.sync.now()).state).toBe('storage')
  await live(a)
  expect(await rows(a)).toEqual({ 1: { id: '1', title: 'x' } })
  expect(a.events.storage?.map(e => e.code)).toContain('database')
})

test('what was under way when the database was deleted is nothing to the new one', async () => {
  const [ann, bob] = [(await someone())(), await new Browser(server.url).register({ email: 'bert@example.test', password: 'Correct-Horse-9-Battery' })]
  const mine = ann.copy()
  const d = device(mine)
  const a = d.open(manual)
  await live(a)
  const deleted = new Dexie(d.name, { indexedDB: d.indexedDB, IDBKeyRange })
  mine.network = async (send, path) => {
    const response = await send()
    if (path === '/api/sync/push') await deleted.delete()
    return response
  }
  await a.db.todos.put({ id: '1', title: 'sent' })
  expect((await a.sync.now()).state).toBe('storage')
  mine.network = send => send()
  await live(a)
  expect(await rows(a)).toEqual({ 1: { id: '1', title: 'sent' } })
  // A user who signs in meanwhile does not get it.
  mine.network = async (send, path) => {
    const response = await send()
    if (path === '/api/sync/push') {
      await deleted.delete()
      mine.become(bob)
    }
    return response
  }
  await a.db.todos.put({ id: '2', title: 'sent by ann' })
  await a.sync.now()
  mine.network = send => send()
  await live(a)
  expect(await rows(a)).toEqual({})
})

test('what was under way when the database was cleared is nothing to who uses it now', async () => {
  const mine = (await someone())()
  const a = device(mine).open(manual)
  await live(a)
  await a.db.todos.put({ id: '1', title: 'sent' })
  mine.network = async (send, path) => {
    const response = await send()
    if (path === '/api/sync/push') await a.sync.clear({ discardUnsent: true })
    return response
  }
  await a.sync.now()
  mine.network = send => send()
  await live(a)
  expect(await rows(a)).toEqual({ 1: { id: '1', title: 'sent' } })
})

test('a tab that has asked who is signed in before another one hands the database over asks again', async () => {
  const [ann, bob] = [(await someone())(), await new Browser(server.url).register({ email: 'bill@example.test', password: 'Correct-Horse-9-Battery' })]
  const mine = ann.copy()
  const d = device(mine)
  const [a, b] = [d.open(manual), d.open(manual)]
  await a.db.todos.put({ id: '1', title: 'of ann' })
  await live(a)
  mine.network = async (send, path) => {
    const response = await send()
    if (path === '/api/auth/session') {
      mine.network = after => after()
      mine.become(bob)
      await a.sync.clear()
    }
    return response
  }
  await live(b, a)
  expect(await rows(b)).toEqual({})
})

test('a tab that has synced before another one clears the database does nothing for the former workspace', async () => {
  const former = (await someone())()
  const d = device(former)
  const [a, b] = [d.open(manual), d.open(manual)]
  const other = device(former.copy()).open(manual)
  await a.db.todos.put({ id: '1', title: 'former' })
  await live(a, b, other)
  await someone()
  await a.sync.clear()
  await b.db.todos.put({ id: '2', title: 'later' })
  await live(b, a)
  expect(await rows(b)).toEqual({ 2: { id: '2', title: 'later' } })
  await live(other)
  expect(await rows(other)).toEqual({ 1: { id: '1', title: 'former' } })
})

test('a tab whose database is handed over during a pull still brings what has come since', async () => {
  const mine = (await someone())()
  const d = device(mine)
  const [a, b] = [d.open(manual), d.open(manual)]
  const other = device(mine.copy()).open(manual)
  await live(a, b, other)
  mine.network = async (send, path) => {
    const response = await send()
    if (path === '/api/sync/pull') {
      mine.network = after => after()
      await a.sync.clear()
      await live(a)
      await other.db.todos.put({ id: '1', title: 'later' })
      await live(other)
    }
    return response
  }
  await other.db.todos.put({ id: '2', title: 'before' })
  await live(other)
  await live(b)
  expect(await rows(b)).toEqual({ 1: { id: '1', title: 'later' }, 2: { id: '2', title: 'before' } })
})

test('to delete what is not there takes nothing from other devices', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  await live(a, b)
  await a.db.todos.put({ id: '1', title: 'of a' })
  await b.db.todos.bulkDelete(['1', 'none'])
  await b.db.todos.put({ id: '2', title: 'made' })
  await b.db.todos.delete('2')
  expect((await b.sync.now()).pending).toBe(0)
  await live(a, b)
  expect(await rows(b)).toEqual({ 1: { id: '1', title: 'of a' } })
  // What was sent is deleted, also if its answer was lost.
  const mine = browser()
  const c = device(mine).open(manual)
  await live(c)
  mine.network = async (send, path) => {
    const response = await send()
    if (path === '/api/sync/push') throw new TypeError('lost')
    return response
  }
  await c.db.todos.put({ id: '3', title: 'of c' })
  await c.sync.now()
  mine.network = send => send()
  await c.db.todos.delete('3')
  await live(c, b)
  expect(Object.keys(await rows(b))).toEqual(['1'])
})

test('a row that was set aside does not come back over a later edit of the app', async () => {
  const browser = await someone()
  const options = { ...manual, tables: ['notes'] }
  const [a, b] = [device(browser()).open(options), device(browser()).open(options)]
  await a.db.notes.bulkPut([{ id: '1', title: 'of a', slug: 'one' }, { id: '2', title: 'of a', slug: 'two' }])
  await live(a, b)
  await b.db.notes.put({ id: '1', title: 'local', slug: 'three' })
  await a.db.notes.update('2', { slug: 'three' })
  await live(a)
  await b.sync.now()
  expect(b.events.unapplied).toMatchObject([{ table: 'notes', key: '2' }])
  await b.db.notes.bulkPut([{ id: '1', title: 'local', slug: 'four' }, { id: '2', title: 'later, of b', slug: 'five' }])
  await b.sync.retry()
  await live(b, a)
  expect(await rows(b, 'notes')).toEqual({ 1: { id: '1', title: 'local', slug: 'four' }, 2: { id: '2', title: 'later, of b', slug: 'five' } })
  expect(await rows(a, 'notes')).toEqual(await rows(b, 'notes'))
})

test('a clock that is years off is told, and does not decide', async () => {
  const browser = await someone()
  const b = device(browser()).open(manual)
  await live(b)
  const real = Date.now
  const years = 3 * 365 * 86_400_000
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => real() + years)
  onTestFinished(() => clock.mockRestore())
  const mine = browser()
  const a = device(mine).open(manual)
  await a.sync.now()
  expect(a.events.clock).toHaveLength(1)
  expect(Math.abs(a.events.clock![0]!.ahead + years)).toBeLessThan(60_000)
  await a.db.todos.put({ id: '1', title: 'by the wrong clock' })
  mine.network = async (send, path) => path === '/api/sync/push' ? answer(503, '{}') : send()
  await a.sync.now()
  const [op] = await a.db.table('sync_outbox').toArray() as { hlc: string }[]
  expect(Math.abs(timeOf(op!.hlc) - real())).toBeLessThan(60_000)
  mine.network = send => send()
  // The server's clock is known to the second.
  clock.mockImplementation(() => real() + 3_000)
  await b.db.todos.put({ id: '1', title: 'later, by the right one' })
  clock.mockRestore()
  await live(a, b, a)
  expect(await rows(a)).toEqual({ 1: { id: '1', title: 'later, by the right one' } })
  expect(await rows(b)).toEqual(await rows(a))
})

test('an older page that comes after a newer one changes nothing', async () => {
  const browser = await someone()
  const mine = browser()
  const [a, b] = [device(browser()).open(manual), device(mine).open(manual)]
  await live(a, b)
  await a.db.todos.put({ id: '1', title: 'old' })
  await live(a)
  const pages: string[] = []
  mine.network = async (send, path) => {
    const response = await send()
    if (path !== '/api/sync/pull') return response
    const text = await response.text()
    pages.push(text)
    return answer(200, pages.length > 2 ? pages[0]!.replace(/"nextCursor":\d+/, `"nextCursor":${1000}`) : text)
  }
  await live(b)
  await a.db.todos.put({ id: '1', title: 'new' })
  await live(a, b)
  await b.sync.now()
  expect(pages.length).toBeGreaterThan(2)
  expect(await rows(b)).toEqual({ 1: { id: '1', title: 'new' } })
})

test.each(['snapshots', 'pulls alone'])('from a server with %s: what it has no more goes, and no edit does', async (kind) => {
  const browser = await someone()
  const mine = browser()
  const a = device(mine).open(manual)
  await a.db.todos.bulkPut([{ id: 'kept', title: '' }, { id: 'gone', title: '' }, { id: 'edited', title: '' }])
  await live(a)
  await a.db.todos.update('edited', { title: 'edited' })
  let asked = false
  mine.network = async (send, path, body) => {
    const response = await send()
    if (path === '/api/sync/pull' && !asked) {
      asked = true
      return answer(200, (await response.text()).replace('"requiresSnapshot":false', '"requiresSnapshot":true'))
    }
    if (path === '/api/sync/snapshot' && kind !== 'snapshots') return answer(404, 'Page not found')
    const list = path === '/api/sync/snapshot' ? 'items' : path === '/api/sync/pull' && body.includes('"cursor":0,') ? 'changes' : ''
    if (!list) return response
    const page = await response.json() as Record<string, { pk: string }[]>
    return answer(200, JSON.stringify({ ...page, [list]: page[list]!.filter(i => i.pk.endsWith('/kept')) }))
  }
  await live(a)
  expect(Object.keys(await rows(a))).toEqual(['edited', 'kept'])
})

test('from a server that has no snapshots a new device gets all by pulls, whatever is written meanwhile', async () => {
  const browser = await someone()
  const a = device(browser()).open(manual)
  await a.db.todos.bulkAdd(Array.from({ length: 1500 }, (_, n) => ({ id: `row ${n}`, title: 'x' })))
  await live(a)
  const mine = browser()
  let pulls = 0
  mine.network = async (send, path) => {
    if (path === '/api/sync/snapshot') return answer(404, 'Page not found')
    if (path === '/api/sync/pull' && ++pulls === 2) {
      // Rows of the first page are in the second one, too.
      await a.db.todos.update('row 1', { title: 'edited meanwhile' })
      await a.db.todos.delete('row 2')
      await live(a)
    }
    return send()
  }
  const b = device(mine).open(manual)
  await b.db.todos.put({ id: 'row 3', title: 'of the new device' })
  await live(b, a)
  expect(pulls).toBeGreaterThan(2)
  expect(await rows(b)).toEqual(await rows(a))
  expect(await a.db.todos.count()).toBe(1499)
  for (const n of [1, 700, 1400]) await b.db.todos.update(`row ${n}`, { title: 'edited' })
  await live(b, a)
  expect(await rows(a)).toEqual(await rows(b))
  expect(await a.db.todos.get('row 3')).toMatchObject({ title: 'of the new device' })
})

test('edits of one row on two devices end in the later one, and the other is told', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  await a.db.todos.put({ id: '1', title: 'first' })
  await live(a, b)
  await a.db.todos.update('1', { title: 'of a' })
  const before = Date.now()
  await until(() => Date.now() > before)
  await b.db.todos.update('1', { title: 'of b' })
  await live(b, a, b)
  expect(await rows(a)).toEqual({ 1: { id: '1', title: 'of b' } })
  expect(await rows(b)).toEqual(await rows(a))
  expect(a.events.conflict).toEqual([{ table: 'todos', key: '1', lost: { id: '1', title: 'of a' }, won: { id: '1', title: 'of b' } }])
  expect(b.events.conflict).toBeUndefined()
})

test('a file that one device adds is on the other', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  await live(a, b)
  const file = await a.sync.files.add(new Blob(['%PDF-1.7 some text'], { type: 'application/pdf' }), { name: 'a.pdf' })
  expect(file).toMatchObject({ kind: 'pdf', size_bytes: 18 })
  const cut = a.sync.now()
  await cut
  await a.sync.files.idle()
  await live(a, b)
  const got = await b.sync.files.get(file.hash)
  expect([await got.text(), got.type]).toEqual(['%PDF-1.7 some text', 'application/pdf'])
  expect(a.events.file?.at(-1)).toMatchObject({ state: 'done', direction: 'upload' })
  expect(await b.db.table('file_transfers').toArray()).toMatchObject([{ state: 'done', direction: 'download' }])
  await b.sync.files.remove(file.hash)
  await live(b, a)
  for (const { db } of [a, b]) for (const name of ['file_meta', 'file_blobs', 'file_transfers']) expect(await db.table(name).count()).toBe(0)
})

test('a file that is removed elsewhere while its row was edited here keeps its content here', async () => {
  const browser = await someone()
  const [a, b] = [device(browser()).open(manual), device(browser()).open(manual)]
  await live(a, b)
  const { hash } = await a.sync.files.add(new Blob(['text'], { type: 'text/plain' }))
  await live(a)
  await a.sync.files.idle()
  await live(a, b)
  await b.sync.files.get(hash)
  await b.db.table('file_meta').update(hash, { name: 'renamed' })
  const before = Date.now()
  await until(() => Date.now() > before)
  await a.sync.files.remove(hash)
  await live(a, b)
  expect(b.events.conflict).toMatchObject([{ table: 'file_meta', key: hash, lost: { name: 'renamed' }, won: undefined }])
  expect(await b.db.table('file_meta').count()).toBe(0)
  expect(await (await b.sync.files.get(hash)).text()).toBe('text')
})

test('a file that is not uploaded yet is deleted nowhere, and comes later', async () => {
  const browser = await someone()
  const mine = browser()
  const [a, b] = [device(mine).open(manual), device(browser()).open(manual)]
  await live(a, b)
  mine.network = async (send, path) => path.startsWith('/api/storage/') ? answer(503, '{}') : send()
  const file = await a.sync.files.add(new Blob(['text'], { type: 'text/plain' }))
  await live(a)
  await a.sync.files.idle()
  await live(b)
  await expect(b.sync.files.get(file.hash)).rejects.toMatchObject({ code: 'unavailable' })
  mine.network = send => send()
  await a.sync.files.retry()
  await a.sync.files.idle()
  await live(a, b)
  expect(await (await b.sync.files.get(file.hash)).text()).toBe('text')
})

test('tables of OR3 Chat travel as its own', async () => {
  const browser = await someone()
  const options = { tables: ['todos'], chat: ['threads', 'messages', 'kv'] as const, auto: false }
  const [a, b] = [device(browser()).open(options), device(browser()).open(options)]
  const now = 1_800_000_000
  await a.db.table('threads').put({ id: 't', title: 'Hi', status: 'ready', pinned: false, forked: false, created_at: now, updated_at: now, clock: 0 })
  await a.db.table('messages').bulkPut([
    { id: 'm1', thread_id: 't', role: 'user', index: 0, order_key: 'a', created_at: now, updated_at: now, data: { content: 'hello' } },
    { id: 'm2', thread_id: 't', role: 'assistant', index: 1, order_key: 'b', created_at: now, updated_at: now, pending: true },
  ])
  await a.db.table('kv').bulkPut([
    { id: 'kv:theme', name: 'theme', value: 'dark', created_at: now, updated_at: now },
    { id: 'kv:openrouter_api_key', name: 'openrouter_api_key', value: 'secret', created_at: now, updated_at: now },
  ])
  await a.db.todos.put({ id: '1', title: 'beside them' })
  await live(a, b)
  expect((await b.db.table('messages').toArray()).map((m: { id: string }) => m.id)).toEqual(['m1'])
  expect(await b.db.table('kv').toCollection().primaryKeys()).toEqual(['kv:theme'])
  expect(await b.db.table('threads').get('t')).toMatchObject({ title: 'Hi', clock: 1 })
  expect(await b.db.todos.count()).toBe(1)
  await a.db.table('messages').update('m2', { pending: false })
  await live(a, b)
  expect(await b.db.table('messages').count()).toBe(2)
})

test('what cannot be synced is said at once', async () => {
  const db = (stores: Record<string, string>): Dexie => {
    const d = new Dexie('x', { indexedDB: device(new Browser('')).indexedDB, IDBKeyRange })
    d.version(1).stores(stores)
    return d
  }
  const d = device(new Browser(server.url))
  expect(() => connect(db({ todos: 'id' }), { tables: ['todos'] })).toThrow('syncStores')
  expect(() => connect(d.database({ numbered: '++id' }), { tables: ['numbered'] })).toThrow('numbers its rows')
  expect(() => connect(d.database(), { tables: ['missing'] })).toThrow('no table missing')
  const open = d.database()
  await open.open()
  expect(() => connect(open, { tables: ['todos'] })).toThrow('already open')
  open.close()
  const tab = d.open(manual)
  await expect(tab.db.todos.put({ id: 5 as never, title: '' })).rejects.toThrow('strings of 1 to 800')
  expect(await tab.db.todos.count()).toBe(0)
})
