// Servers of which parts are off: devices use what is there, are told what is not, and of what is off there is no
// trace.
import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { remove } from '../../or3-cloud-engine/test/folders.js'
import type { Browser } from '../matrix/browsers/browser.js'
import { browsers } from '../matrix/browsers/index.js'
import { buildDevice } from '../matrix/build.js'
import { settings } from '../matrix/host.js'
import { workspaceOf } from '../matrix/history.js'
import { person, until, World, type Tab } from '../matrix/world.js'
import { Server } from './rig.js'

let browser: Browser
const page = mkdtempSync(join(tmpdir(), 'or3-device-'))

beforeAll(async () => {
  await buildDevice(page)
  browser = await browsers[0]!.launch()
})
afterAll(async () => {
  await browser.close()
  await remove(page)
})

/** A server of these settings, and where its data is. */
async function serve(environment: Record<string, string>): Promise<{ server: Server, world: World, data: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'or3-combination-'))
  const data = join(folder, 'data')
  // No account from the start: who has none registers. Where there are none, these would be said to be for nothing.
  const own = { OR3_DATA_DIR: data, OR3_BASIC_AUTH_BOOTSTRAP_EMAIL: '', OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD: '' }
  const server = await Server.start({ ...settings, ...own, ...environment }, '--web', page)
  const host = {
    url: server.url, page: '/', log: '', serves: () => true,
    start: () => server.start(), kill: () => server.stop(), remove: () => server.remove(), operate: () => Promise.resolve(''),
  }
  const world = new World(host, browser)
  onTestFinished(async () => {
    await world.close()
    await server.remove()
    await remove(folder)
  })
  return { server, world, data }
}

const status = (tab: Tab, path: string, body: object): Promise<number> =>
  tab.do(async ({ ask }, ...given) => (await ask('POST', ...given, { 'x-or3-cloud-intent': 'mutation' })).status, path, body)

test.for([
  { name: 'accounts, sync and files', environment: {}, sync: true, files: true },
  { name: 'accounts and sync', environment: { OR3_STORAGE_ENABLED: 'false' }, sync: true, files: false },
  { name: 'accounts and files', environment: { OR3_SYNC_ENABLED: 'false' }, sync: false, files: true },
  { name: 'accounts alone', environment: { OR3_SYNC_ENABLED: 'false', OR3_STORAGE_ENABLED: 'false' }, sync: false, files: false },
])('$name: devices do what is on and are told what is not', async ({ environment, sync, files }) => {
  const { server, world, data } = await serve(environment)
  const ann = person('ann')
  const [a, b] = [await (await world.device()).tab(), await (await world.device()).tab()]
  await a.do(({ account }, ...given) => account.register(...given), ann.email, ann.password)
  await b.signIn(ann)
  await a.put({ id: '1', title: 'of a' })
  const { hash } = await a.do(({ sync }) => sync.files.add(new Blob(['a file'], { type: 'text/plain' }), { name: 'a.txt' }))
  if (sync) {
    await b.has('1', 'of a')
  }
  else {
    await a.is({ state: 'offline', pending: 2 })
    expect((await a.status()).error?.code).toBe('unavailable')
  }
  if (sync && files) {
    await until(() => b.do(({ sync }, name) => sync.files.get(name).then(blob => blob.size === 6, () => false), hash))
  }
  else if (sync) {
    await until(() => a.do(({ events }) => events.file.some(({ state, message }) => state === 'queued' && message !== undefined)))
    await a.is({ state: 'live', pending: 0 })
  }
  const workspace = await workspaceOf(a)
  const scope = { workspaceId: workspace }
  expect(await status(a, '/api/sync/pull', { scope, cursor: 0, limit: 1 })).toBe(sync ? 200 : 404)
  expect(await status(a, '/api/storage/presign-upload', { workspace_id: workspace, hash, mime_type: 'text/plain', size_bytes: 6 })).toBe(files ? 200 : 404)
  expect(readdirSync(data).includes('blobs')).toBe(files)
  if (!files) expect(server.log).not.toMatch(/\bfs\b|OR3_STORAGE_FS/)
  expect(warnings(server)).toEqual([])
  expect(world.complaints).toEqual([])
})

test.for([
  { name: 'accounts are switched off', environment: { SSR_AUTH_ENABLED: 'false' }, said: [] },
  {
    name: 'providers are chosen that the program does not have',
    environment: { AUTH_PROVIDER: 'clerk', OR3_SYNC_PROVIDER: 'convex', NUXT_PUBLIC_STORAGE_PROVIDER: 'convex' },
    said: [/clerk.*Until then auth is off/, /convex.*Until then sync is off/, /convex.*Until then storage is off/],
  },
])('where $name, devices keep what is written, and nothing of ours is there', async ({ environment, said }) => {
  const { server, world, data } = await serve(environment)
  const device = await (await world.device()).tab()
  await device.put({ id: '1', title: 'kept' })
  await device.is({ state: 'offline', pending: 1 })
  expect((await device.status()).error?.code).toBe('unavailable')
  expect(await device.rows()).toEqual({ 1: { id: '1', title: 'kept' } })
  const lines = warnings(server)
  expect(lines).toHaveLength(said.length)
  for (const [n, line] of said.entries()) expect(lines[n]).toMatch(line)
  for (const trace of [/basic-?auth/i, /sqlite/i, /\bfs\b/]) expect(server.log.split('\n').filter(line => !lines.includes(line)).join('\n')).not.toMatch(trace)
  expect(existsSync(data)).toBe(false)
  expect(world.complaints).toEqual([])
})

/** The server's complaints, except that the page is not OR3 Chat and so cannot get a configuration. */
function warnings({ log }: Server): string[] {
  return log.split('\n').filter(line => /"level":"(WARN|ERROR)"/.test(line) && !line.includes('the client is served as it was built'))
}
