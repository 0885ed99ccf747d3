// Faults of which only a browser tells the truth, in the machine's Chromium, with a profile for each device.
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { browser, pageOf } from './pages.js'
import type {} from './page/main.js'
import { Server, until } from './rig.js'

let server: Server
let chromium: Browser

beforeAll(async () => {
  const page = await pageOf('page', afterAll)
  server = await Server.start({ OR3_STORAGE_ALLOW_ANY_FILE_TYPE: 'true', OR3_MAX_CLOUD_FILE_SIZE_BYTES: String(1 << 30) }, '--web', page)
  chromium = await browser(afterAll)
})
afterAll(() => server.remove())

const password = 'Correct-Horse-9-Battery'
let people = 0

/** A tab of the app. */
async function tab(profile: BrowserContext): Promise<Page> {
  const page = await profile.newPage()
  await page.goto(server.url)
  await page.waitForFunction(() => 'app' in globalThis)
  return page
}

/** A device of someone. */
async function device(): Promise<{ profile: BrowserContext, page: Page, devtools: CDPSession }> {
  const profile = await chromium.newContext()
  onTestFinished(() => profile.close())
  const page = await tab(profile)
  return { profile, page, devtools: await profile.newCDPSession(page) }
}

const register = async (page: Page): Promise<string> => {
  const email = `person-${++people}@example.test`
  await page.evaluate(([e, p]) => app.account.register(e, p), [email, password] as const)
  return email
}

const signIn = (page: Page, email: string): Promise<void> => page.evaluate(([e, p]) => app.account.signIn(e, p), [email, password] as const)

/** Two devices of one person. */
async function twoDevices(): Promise<[Awaited<ReturnType<typeof device>>, Awaited<ReturnType<typeof device>>]> {
  const both = [await device(), await device()] as [Awaited<ReturnType<typeof device>>, Awaited<ReturnType<typeof device>>]
  const email = await register(both[0].page)
  await signIn(both[1].page, email)
  await live(both[0].page)
  await live(both[1].page)
  return both
}

const state = (page: Page): Promise<string> => page.evaluate(() => app.sync.status.state)

const live = (page: Page): Promise<void> => until(() => page.evaluate(() => app.sync.status.state === 'live' && app.sync.status.pending === 0))

const keys = (page: Page, table: 'todos' | 'notes' = 'todos'): Promise<unknown[]> => page.evaluate(t => app.db[t].toCollection().primaryKeys(), table)

const told = (page: Page, name: string): Promise<unknown[]> => page.evaluate(n => app.told.filter(t => t.name === n).map(t => t.event), name)

const cut = async (page: Page): Promise<void> => void await page.route('**/api/**', route => route.abort())

const mend = (page: Page): Promise<void> => page.unroute('**/api/**')

test('a profile without room loses no edit and no change, and goes on when there is some', async () => {
  const [a, b] = await twoDevices()
  await cut(a.page)
  await a.devtools.send('Storage.overrideQuotaForOrigin', { origin: server.url, quotaSize: 1 })
  // A browser looks every half a minute how much room there is.
  let edits = 0
  const write = (): Promise<string> => a.page.evaluate(
    id => app.db.todos.put({ id }).then(() => '', (error: { name: string, inner?: Error }) => `${error.name} ${error.inner?.name}`), `edit ${++edits} of a`)
  let refusal = ''
  await until(async () => (refusal = await write()) !== '')
  expect(refusal).toContain('QuotaExceededError')
  // What could not be written is not noted either.
  expect(await keys(a.page)).toHaveLength(edits - 1)
  expect(await a.page.evaluate(() => app.sync.pending())).toBe(edits - 1)
  await b.page.evaluate(() => app.db.todos.bulkPut(Array.from({ length: 20 }, (_, n) => ({ id: `${n} of b` }))))
  await live(b.page)
  await mend(a.page)
  await until(async () => (await told(a.page, 'storage')).length > 0)
  expect(await told(a.page, 'storage')).toMatchObject([{ code: 'quota' }])
  expect(await keys(a.page)).toHaveLength(edits - 1)
  await a.devtools.send('Storage.overrideQuotaForOrigin', { origin: server.url })
  await live(a.page)
  await until(async () => (await keys(b.page)).length === 20 + edits - 1)
  expect(await keys(a.page)).toEqual(await keys(b.page))
})

test.each<[string, (devtools: CDPSession, other: Page) => Promise<unknown>]>([
  ['by another tab', (_, other) => other.evaluate(() => new Promise((resolve, reject) => {
    const deleting = indexedDB.deleteDatabase('app')
    deleting.onsuccess = resolve
    deleting.onerror = reject
  }))],
  ['by clearing the site\'s data', devtools => devtools.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'indexeddb' })],
  ['in the developer tools', devtools => devtools.send('IndexedDB.deleteDatabase', { securityOrigin: server.url, databaseName: 'app' })],
])('a database that is deleted %s is told and filled again', async (_, remove) => {
  const { profile, page, devtools } = await device()
  await register(page)
  await live(page)
  await page.evaluate(() => app.db.todos.bulkPut([{ id: '1' }, { id: '2' }]))
  await live(page)
  const other = await profile.newPage()
  await other.goto(`${server.url}/api/health/ready`)
  await remove(devtools, other)
  // Who asks while it is being deleted is refused.
  await until(async () => (await keys(page).catch(() => [])).length === 2)
  await live(page)
  expect(await told(page, 'storage')).toContainEqual(expect.objectContaining({ code: 'database' }))
  await page.evaluate(() => app.db.todos.put({ id: '3' }))
  await live(page)
})

test('another account in the same profile gets and sends nothing of the first one\'s database', async () => {
  const { profile, page } = await device()
  const ann = await register(page)
  await live(page)
  await page.evaluate(() => app.db.todos.put({ id: 'of ann' }))
  await live(page)
  const second = await tab(profile)
  await second.evaluate(() => app.account.signOut())
  await until(async () => await state(page) === 'signed-out')
  await register(second)
  await until(async () => await state(page) === 'other-account')
  expect(await told(page, 'account')).toHaveLength(1)
  await second.evaluate(() => app.db.todos.put({ id: 'not sent' }))
  await until(() => page.evaluate(async () => app.sync.status.pending === 1))
  expect(await state(second)).toBe('other-account')
  expect(await second.evaluate(() => app.sync.clear().then(() => '', (error: { code: string }) => error.code))).toBe('other-account')
  await second.evaluate(() => app.account.signOut())
  await signIn(second, ann)
  await live(page)
  const elsewhere = await device()
  await signIn(elsewhere.page, ann)
  await live(elsewhere.page)
  expect(await keys(elsewhere.page)).toEqual(['not sent', 'of ann'])
})

test('a row that the database refuses holds up no other', async () => {
  const [a, b] = await twoDevices()
  await cut(a.page)
  await a.page.evaluate(() => app.db.notes.put({ id: 'of a', slug: 'same' }))
  await b.page.evaluate(() => app.db.notes.bulkPut([{ id: 'of b', slug: 'same' }, { id: 'another', slug: 'other' }]))
  await live(b.page)
  await mend(a.page)
  await until(async () => (await told(a.page, 'unapplied')).length > 0)
  expect(await told(a.page, 'unapplied')).toMatchObject([{ table: 'notes', key: 'of b' }])
  await live(a.page)
  expect(await keys(a.page, 'notes')).toEqual(['another', 'of a'])
  await a.page.evaluate(() => app.db.notes.delete('of a'))
  await live(a.page)
  await a.page.evaluate(() => app.sync.retry())
  await until(async () => (await keys(a.page, 'notes')).length === 2)
  expect(await a.page.evaluate(() => app.sync.problems())).toEqual([])
})
