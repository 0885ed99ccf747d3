// Every endpoint, asked by a page on which no one is signed in, and by someone whose business it is not.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { workspaceOf } from '../history.js'
import { person, type Tab, type World } from '../world.js'

interface Endpoint { method: string, path: string, offered: boolean }

/** The endpoints that docs/endpoints.md names. */
function listed(): Endpoint[] {
  const page = readFileSync(new URL('../../../../docs/endpoints.md', import.meta.url), 'utf8')
  return page.split('\n').flatMap((line) => {
    const [, names, answer] = /^\| (.+?) \| ([^|]+?) \|/.exec(line) ?? []
    return [...(names ?? '').matchAll(/`([A-Z]+) (\/[^ `?]*)/g)].map(([, method, path]) => ({ method: method!, path: path!, offered: !answer!.startsWith('not offered') }))
  })
}

/**
 * What anyone may ask, and how it is answered: it says nothing of anyone, or wants another proof than a session. All
 * else is closed.
 */
const open: Record<string, number> = {
  'GET /api/auth/session': 200,
  'GET /api/health': 200,
  'GET /api/healthz': 200,
  'GET /api/health/ready': 200,
  'OPTIONS /api/storage/resumable': 204,
  'OPTIONS /api/storage/resumable/:id': 204,
  'GET /api/basic-auth/config': 200,
  'POST /api/basic-auth/register': 400,
  'POST /api/basic-auth/sign-out': 200,
  'POST /api/basic-auth/forgot-password': 501, // there is no mail server
  'POST /api/basic-auth/reset-password': 400,
  'POST /api/basic-auth/link': 400,
  'POST /api/basic-auth/email/confirm': 400,
  'POST /api/basic-auth/second-factor': 400,
  'POST /api/basic-auth/passkeys/sign-in-options': 400, // an address has no passkeys
  'POST /api/basic-auth/passkeys/sign-in': 400,
  'POST /api/openrouter/stream': 400, // there is no key
  'GET /api/plugins/runtime-manifest': 200,
  'GET /api/plugins/access': 200,
  'POST /api/admin/auth/logout': 200,
}

const hash = `sha256:${'0'.repeat(64)}`
const scope = { workspaceId: '$WORKSPACE' }
const file = { workspace_id: '$WORKSPACE', hash, mime_type: 'text/plain', size_bytes: 3 }

/** What each endpoint of a workspace is asked with; the rest is asked with an empty object. */
const bodies: Record<string, object> = {
  'POST /api/sync/push': { scope, ops: [] },
  'POST /api/sync/pull': { scope, cursor: 0, limit: 10 },
  'POST /api/sync/snapshot': { scope, pageSize: 10 },
  'POST /api/sync/update-cursor': { scope, deviceId: 'device', version: 1 },
  'POST /api/sync/gc-tombstones': { scope, retentionSeconds: 1 },
  'POST /api/sync/gc-change-log': { scope, retentionSeconds: 1 },
  'POST /api/storage/presign-upload': file,
  'POST /api/storage/presign-download': file,
  'POST /api/storage/commit': { ...file, storage_id: 'x', storage_provider_id: 'fs', name: 'x', kind: 'file' },
  'POST /api/storage/delete': { workspace_id: '$WORKSPACE', hash },
  'POST /api/storage/gc/run': { workspace_id: '$WORKSPACE' },
  'POST /api/workspaces/active': { id: '$WORKSPACE' },
  'PATCH /api/workspaces/:id': { name: 'Taken' },
  'POST /api/workspaces/members/set-role': { ...scope, userId: 'x', role: 'owner' },
  'POST /api/workspaces/members/remove': { ...scope, userId: 'x' },
  'POST /api/workspaces/invites/revoke': { ...scope, inviteId: 'x' },
}
const ofWorkspaces = [...Object.keys(bodies), 'GET /api/sync/events', 'DELETE /api/workspaces/:id', 'POST /api/storage/resumable', 'GET /api/workspaces/members', 'GET /api/workspaces/invites']

/** What the rest has to be asked with, so that only the session is missing. */
const others: Record<string, object> = {
  'POST /api/basic-auth/sign-in': { email: 'ann@example.test', password: 'guessed' },
  'POST /api/admin/auth/login': { username: 'admin', password: 'guessed' },
  'POST /api/jobs/admission-abort': { admissionId: 'x' },
}

function headersOf(method: string, path: string, workspace: string): Record<string, string> {
  const headers = { 'x-or3-cloud-intent': 'mutation' }
  if (!path.startsWith('/api/storage/resumable') || method === 'OPTIONS') return headers
  const about = Object.entries({ workspace_id: workspace, hash, mime_type: 'text/plain', name: 'x', kind: 'file' }).map(([name, value]) => `${name} ${btoa(value)}`)
  return {
    ...headers, 'tus-resumable': '1.0.0', 'content-type': 'application/offset+octet-stream',
    ...(path.endsWith(':id') ? { 'upload-offset': '0', ...(method === 'POST' ? { 'x-http-method-override': 'PATCH' } : {}) } : { 'upload-length': '3', 'upload-metadata': about.join(',') }),
  }
}

export async function gates(world: World): Promise<void> {
  const endpoints = listed()
  expect(endpoints.length).toBeGreaterThan(150)
  const [ann] = await world.devicesOf(person('ann'), 1) as [Tab]
  await ann.put({ id: 'secret', title: 'a secret of ann' })
  await ann.synced()
  const workspace = await workspaceOf(ann)
  const ask = (tab: Tab, { method, path }: Endpoint): Promise<{ status: number, text: string }> => {
    const body = bodies[`${method} ${path}`] ?? others[`${method} ${path}`] ?? (method === 'POST' || method === 'PATCH' || method === 'PUT' ? {} : undefined)
    const target = `${path.replace(/^\/api\/workspaces\/:id$/, `/api/workspaces/${workspace}`).replace(/:id|:digest|\*/g, 'x')}?workspaceId=${workspace}&token=x&pluginId=x`
    const given = body && JSON.parse(JSON.stringify(body).replaceAll('$WORKSPACE', workspace)) as object
    return tab.do(({ ask }, ...request) => ask(...request), method, target, given ?? null, headersOf(method, path, workspace))
  }

  const visitor = await (await world.device()).tab()
  const wrong: string[] = []
  for (const endpoint of endpoints) {
    const { method, path, offered } = endpoint
    const { status, text } = await ask(visitor, endpoint)
    const there = offered && world.host.serves(method, path)
    const wanted = there ? open[`${method} ${path}`] ?? [401, 403] : 404
    if (!(Array.isArray(wanted) ? wanted.includes(status) : wanted === status) || text.includes('secret of ann'))
      wrong.push(`${method} ${path}: ${status} ${text.slice(0, 200)}`)
  }
  expect(wrong).toEqual([])

  // Someone else who is signed in, and names the workspace.
  const [bob] = await world.devicesOf(person('bob'), 1) as [Tab]
  for (const endpoint of endpoints.filter(({ method, path }) => ofWorkspaces.includes(`${method} ${path}`) && world.host.serves(method, path))) {
    const { status, text } = await ask(bob, endpoint)
    if (status !== 403 || text.includes('secret of ann')) wrong.push(`${endpoint.method} ${endpoint.path}: ${status} ${text.slice(0, 200)}`)
  }
  expect(wrong).toEqual([])

  // Ann herself is let in by the same requests.
  for (const [key, path] of [['POST', '/api/sync/pull'], ['POST', '/api/sync/push'], ['POST', '/api/storage/presign-upload']] as const)
    expect((await ask(ann, { method: key, path, offered: true })).status).toBe(200)
  await ann.is({ state: 'live', pending: 0 })
}
