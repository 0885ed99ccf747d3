// Each of our packages beside those of others, and all of them when only others are chosen.
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { attach, becomeBob, documentsOf, openBrowser, openDevice, show, signInAs, write, type Device } from './browser.js'
import { chosen, Cookies, documentOp, folder, newest, sessionOf, signIn, start, switchedOff, without, type Server } from './host.js'

test('with accounts of another provider, ours keep documents and files', async () => {
  const server = await start({ env: chosen('clerk', 'sqlite', 'fs') })
  const device = new Cookies().set('clerk', 'bob')
  const { provider, workspace } = await sessionOf(server, device)
  expect(provider).toBe('clerk')
  const scope = { workspaceId: workspace.id }
  const pushed = await server.ask('POST', '/api/sync/push', { scope, ops: [documentOp('kept')] }, device)
  expect(pushed.status).toBe(200)
  const pulled = await server.ask('POST', '/api/sync/pull', { scope, cursor: 0, limit: 10 }, device)
  expect(await pulled.json()).toMatchObject({ changes: [{ tableName: 'posts' }] })

  const bytes = new TextEncoder().encode('a file')
  const digest = Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex')
  const about = { workspace_id: workspace.id, hash: `sha256:${digest}`, mime_type: 'text/plain', size_bytes: bytes.length }
  const presigned = await server.ask('POST', '/api/storage/presign-upload', about, device)
  expect(presigned.status).toBe(200)
  const { url } = await presigned.json() as { url: string }
  const sent = await fetch(server.url + url, { method: 'PUT', body: bytes, headers: { 'cookie': device.header, 'content-type': 'text/plain' } })
  expect(sent.status).toBe(200)
  // Accounts are not ours, and so their routes do nothing.
  expect((await server.ask('POST', '/api/basic-auth/sign-in', { email: 'ann@example.org', password: 'x' })).status).toBe(503)
})

test('with documents and files of another provider, ours signs in', async () => {
  const server = await start({ env: chosen('basic-auth', 'convex', 'convex') })
  const device = await signIn(server)
  const { workspace } = await sessionOf(server, device)
  expect(workspace.name).toBe('Personal Workspace')
  const pushed = await server.ask('POST', '/api/sync/push', { scope: { workspaceId: workspace.id }, ops: [documentOp('elsewhere')] }, device)
  expect(await pushed.json()).toMatchObject({ serverVersion: 1 })
})

type Own = 'basic-auth' | 'sqlite' | 'fs'

/** What each of ours would leave: its lines in a log, and its files in the data directory. */
const traces: Record<Own, { said: RegExp, kept: RegExp }> = {
  'basic-auth': { said: /basic-?auth/i, kept: /^basic-auth\./ },
  'sqlite': { said: /sqlite/i, kept: /^or3-sync\./ },
  'fs': { said: /\bfs\b/i, kept: /^blobs$/ },
}

interface Combination {
  name: string
  env: Record<string, string>
  ours: Own[]
  enter: (device: Device) => Promise<void>
  /** What the page does, or says. */
  documents: 'kept' | 'off'
  files: 'kept' | 'off' | 'refused'
}

const combinations: Combination[] = [
  { name: 'all of ours', env: {}, ours: ['basic-auth', 'sqlite', 'fs'], enter: signInAs, documents: 'kept', files: 'kept' },
  { name: 'ours without files', env: without('storage'), ours: ['basic-auth', 'sqlite'], enter: signInAs, documents: 'kept', files: 'off' },
  { name: 'ours without documents', env: without('sync'), ours: ['basic-auth', 'sqlite', 'fs'], enter: signInAs, documents: 'off', files: 'off' },
  { name: 'our accounts, and nothing to keep', env: without('sync', 'storage'), ours: ['basic-auth', 'sqlite'], enter: signInAs, documents: 'off', files: 'off' },
  { name: 'our documents beside others', env: chosen('clerk', 'sqlite', 'convex'), ours: ['sqlite'], enter: becomeBob, documents: 'kept', files: 'refused' },
  { name: 'our files beside others', env: chosen('clerk', 'convex', 'fs'), ours: ['fs'], enter: becomeBob, documents: 'kept', files: 'kept' },
  { name: 'our accounts beside others', env: chosen('basic-auth', 'convex', 'convex'), ours: ['basic-auth'], enter: signInAs, documents: 'kept', files: 'refused' },
  { name: 'others alone', env: chosen('clerk', 'convex', 'convex'), ours: [], enter: becomeBob, documents: 'kept', files: 'refused' },
]

// The pairs differ in versions, not in how providers are chosen, so one of them does.
test.runIf(newest).each(combinations)('$name: the page works or says what is off, and what is not chosen is silent', async ({ env, ours, enter, documents, files }) => {
  const dataDir = folder()
  const server = await start({ dataDir, env })
  const browser = await openBrowser()
  const [first, second] = [await openDevice(browser, server.url), await openDevice(browser, server.url)]
  for (const device of [first, second]) await enter(device)
  if (documents === 'kept') {
    await write(first, 'From the first device')
    await documentsOf(second).getByText('From the first device').waitFor()
  }
  else await first.page.getByText('Synchronization is off.').waitFor()
  if (files === 'off' && documents === 'kept') await first.page.getByText('Files are off.').waitFor()
  if (files !== 'off') {
    await attach(first, 'pixel.png')
    if (files === 'kept') await show(second, 'pixel.png')
    else await first.page.getByRole('alert').getByText('No files here').waitFor()
  }

  const others = (['basic-auth', 'sqlite', 'fs'] as const).filter(id => !ours.includes(id))
  const registered = await (await server.ask('GET', '/api/registered')).json() as string[]
  const kept = readdirSync(dataDir)
  for (const id of ours) {
    expect(registered).toContain(id)
    expect(server.said).toMatch(traces[id].said)
    expect(kept).toContainEqual(expect.stringMatching(traces[id].kept))
  }
  for (const id of others) {
    expect(registered.filter(name => name.endsWith(id))).toEqual([])
    expect(server.said).not.toMatch(traces[id].said)
    expect(kept).not.toContainEqual(expect.stringMatching(traces[id].kept))
  }
  expect(server.children).toHaveLength(ours.length > 0 ? 1 : 0)
  for (const { page, asked, said } of [first, second]) {
    const account = page.getByRole('button', { name: /^Account: / })
    if (ours.includes('basic-auth')) await account.waitFor()
    else expect(await account.count()).toBe(0)
    expect(asked.some(request => request.includes('/api/basic-auth/'))).toBe(ours.includes('basic-auth'))
    expect(said.filter(line => !line.startsWith('Failed to load resource'))).toEqual([])
  }
})

test('when only others are chosen, ours start nothing, keep nothing and say nothing', async () => {
  const dataDir = folder()
  const server = await start({ dataDir, env: chosen('clerk', 'convex', 'convex') })
  const device = new Cookies().set('clerk', 'bob')
  expect((await sessionOf(server, device)).provider).toBe('clerk')
  await expectSilence(server, dataDir)
})

test.runIf(newest)('when everything is switched off, ours start nothing, keep nothing and say nothing', async () => {
  const dataDir = folder()
  const server = await start({ dataDir, env: switchedOff })
  await expectSilence(server, dataDir)
  expect(await (await server.ask('GET', '/api/registered')).json()).toEqual([])
  expect((await server.ask('GET', '/api/workspaces')).status).toBe(404)
  for (const path of ['/api/sync/pull', '/api/storage/presign-upload']) expect((await server.ask('POST', path, {})).status).toBe(404)
  // What the build has of ours does nothing.
  expect((await server.ask('POST', '/api/basic-auth/sign-in', {})).status).toBe(503)
})

async function expectSilence(server: Server, dataDir: string): Promise<void> {
  const { page, said, asked } = await openDevice(await openBrowser(), server.url)
  await page.getByText('No one is signed in.').waitFor()
  expect(await page.getByRole('button').count()).toBe(0)
  expect(said).toEqual([])
  expect(asked.filter(request => request.includes('basic-auth'))).toEqual([])
  expect(server.said.replace(/^Listening on .*$/m, '').trim()).toBe('')
  expect(server.children).toEqual([])
  expect(readdirSync(dataDir)).toEqual([])
}
