// Each of our packages beside those of others, and all of them when only others are chosen.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openBrowser, openDevice } from './browser.js'
import { chosen, Cookies, documentOp, folder, sessionOf, signIn, start } from './host.js'

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

test('when only others are chosen, ours start nothing, keep nothing and say nothing', async () => {
  const dataDir = folder()
  const server = await start({ dataDir, env: chosen('clerk', 'convex', 'convex') })
  const device = new Cookies().set('clerk', 'bob')
  expect((await sessionOf(server, device)).provider).toBe('clerk')
  const { page, said, asked } = await openDevice(await openBrowser(), server.url)
  await page.getByText('No one is signed in.').waitFor()
  expect(await page.getByRole('button').count()).toBe(0)
  expect(said).toEqual([])
  expect(asked.filter(request => request.includes('basic-auth'))).toEqual([])
  expect(server.said.replace(/^Listening on .*$/m, '').trim()).toBe('')
  expect(existsSync(join(dataDir, 'engine.json'))).toBe(false)
})
