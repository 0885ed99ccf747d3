import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { In } from 'or3-cloud-engine'
import type { SyncGatewayAdapter } from '~~/server/sync/gateway/types'
import { registries } from './nuxt'
import { until } from '../../or3-cloud-engine/test/folders'
import { eventOf, failure, person, startHost, type Host } from './rig'

let host: Host
let adapter: SyncGatewayAdapter
beforeAll(async () => {
  host = await startHost()
  adapter = registries.syncAdapters.ours()
})
afterAll(() => host.close())

/** An op as the host passes it on, with what the outbox of a client adds. */
function op(tableName: string, pk: string, payload: object | undefined, stamp: object = {}): In<'sync/push'>['ops'][number] {
  return {
    ...{ id: 'outbox-1', createdAt: 1771000005123, attempts: 0, status: 'pending' },
    tableName,
    operation: payload ? 'put' : 'delete',
    pk,
    ...(payload && { payload }),
    stamp: { deviceId: '1a2b3c4d', opId: randomUUID(), hlc: '0mll3o9og:000:1a2b3c4d', clock: 1, ...stamp },
  }
}

const kv = (name: string, value: unknown) => ({ id: name, name, value, created_at: 1, updated_at: 1, clock: 1 })

const file = (hash: string) => ({
  hash,
  name: 'a.png',
  mime_type: 'image/png',
  kind: 'image',
  size_bytes: 5,
  storage_id: 'stored',
  deleted: false,
  created_at: 1,
  updated_at: 2,
  clock: 1,
})

describe('capabilities', () => {
  test('are texts, as the host compares them, and those of the engine', async () => {
    await person()
    expect(adapter.id).toBe('sqlite')
    expect(adapter.capabilities).toMatchObject({ snapshotBootstrap: 'snapshot-v1', historyRetention: 'snapshot-v1', workspaceItems: 'v1' })
    for (const value of Object.values(adapter.capabilities)) expect(value).toEqual(expect.any(String))
  })
})

describe('push and pull', () => {
  test('a change goes out as it came in', async () => {
    const { workspaceId, event } = await person()
    const scope = { workspaceId }
    const text = 'cut \ud83d here, "quoted", é'
    const ops = [op('kv', 'k1', kv('k1', text)), op('kv', 'k2', kv('k2', null))]
    const pushed = await adapter.push(event(), { scope, ops })
    expect(pushed).toEqual({
      results: ops.map(({ stamp }, i) => ({ opId: stamp.opId, success: true, serverVersion: i + 1, applied: true })),
      serverVersion: 2,
    })
    const pulled = await adapter.pull(event(), { scope, cursor: 0, limit: 100, tables: ['kv', 'threads'] })
    expect(pulled).toEqual({
      changes: ops.map(({ tableName, pk, payload, stamp }, i) => ({ serverVersion: i + 1, tableName, pk, op: 'put', payload, stamp })),
      nextCursor: 2,
      hasMore: false,
      oldestRetainedVersion: expect.any(Number),
      requiresSnapshot: false,
    })
    const replay = await adapter.push(event(), { scope, ops })
    expect(replay).toMatchObject({ results: [{ success: true, replayed: true, serverVersion: 1 }, { serverVersion: 2 }], serverVersion: 2 })
    expect(await adapter.push(event(), { scope, ops: [] })).toEqual({ results: [], serverVersion: expect.any(Number) })
  })

  test('what loses comes back with what has won', async () => {
    const { workspaceId, event } = await person()
    const scope = { workspaceId }
    await adapter.push(event(), { scope, ops: [op('kv', 'k', kv('k', 'newer'), { clock: 5 })] })
    const { results } = await adapter.push(event(), { scope, ops: [op('kv', 'k', kv('k', 'older'))] })
    expect(results).toMatchObject([
      { success: true, applied: false, winner: { kind: 'put', payload: { value: 'newer' }, revision: { clock: 5, hlc: expect.any(String), opId: expect.any(String) } } },
    ])
  })

  test('an op that cannot be taken is judged alone', async () => {
    const { workspaceId, event } = await person()
    const { results } = await adapter.push(event(), { scope: { workspaceId }, ops: [op('secrets', 's', { id: 's' }), op('kv', 'k', kv('k', 1))] })
    expect(results).toMatchObject([{ success: false, errorCode: 'VALIDATION_ERROR' }, { success: true }])
  })

  test('a page ends at its limit, and goes on at its cursor', async () => {
    const { workspaceId, event } = await person()
    const scope = { workspaceId }
    await adapter.push(event(), { scope, ops: ['a', 'b', 'c'].map(name => op('kv', name, kv(name, 1))) })
    const seen: string[] = []
    let cursor = 0
    for (let more = true; more;) {
      const page = await adapter.pull(event(), { scope, cursor, limit: 1, tables: ['kv'] })
      seen.push(...page.changes.map(({ pk }) => pk))
      if (page.hasMore) expect(page.nextCursor).toBeGreaterThan(cursor)
      ;({ nextCursor: cursor, hasMore: more } = page)
    }
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  test('a new device gets a snapshot, and then what came after it', async () => {
    const { workspaceId, event } = await person()
    const scope = { workspaceId }
    await adapter.push(event(), { scope, ops: [op('kv', 'a', kv('a', 1)), op('kv', 'b', kv('b', 1))] })
    await adapter.push(event(), { scope, ops: [op('kv', 'b', undefined, { clock: 2 })] })
    const first = await adapter.snapshot(event(), { scope, pageSize: 1 })
    expect(first).toMatchObject({ workspaceId, highWatermark: 3, snapshotId: expect.any(String), nextPageToken: expect.any(String) })
    expect(first.items).toMatchObject([{ kind: 'row', tableName: 'kv', pk: 'a', payload: { value: 1 }, revision: { clock: 1 } }])
    const second = await adapter.snapshot(event(), { scope, pageSize: 1, pageToken: first.nextPageToken ?? '' })
    expect(second).toMatchObject({ snapshotId: first.snapshotId, highWatermark: 3, nextPageToken: null })
    expect(second.items).toMatchObject([{ kind: 'tombstone', tableName: 'kv', pk: 'b', revision: { clock: 2 }, serverDeletedAt: expect.any(Number) }])
    expect(await adapter.pull(event(), { scope, cursor: first.highWatermark, limit: 10 })).toMatchObject({ changes: [], requiresSnapshot: false })
    expect(await failure(adapter.snapshot(event(), { scope, pageSize: 1, pageToken: 'nonsense' }))).toMatchObject({ statusCode: 400 })
  })

  test('only members read and write, and a workspace without an id is none', async () => {
    const [ann, bob] = [await person(), await person()]
    const scope = { workspaceId: ann.workspaceId }
    const attempts = (of: { workspaceId: string }, event = bob.event) => [
      () => adapter.pull(event(), { scope: of, cursor: 0, limit: 1 }),
      () => adapter.push(event(), { scope: of, ops: [op('kv', 'k', kv('k', 1))] }),
      () => adapter.snapshot(event(), { scope: of, pageSize: 1 }),
      () => adapter.updateCursor(event(), { scope: of, deviceId: 'd', version: 0 }),
    ]
    for (const attempt of attempts(scope)) expect(await failure(attempt())).toMatchObject({ statusCode: 403, statusMessage: 'Forbidden' })
    for (const attempt of attempts({ workspaceId: ' ' })) expect(await failure(attempt())).toMatchObject({ statusCode: 400 })
    for (const attempt of attempts(scope, () => eventOf())) expect([400, 401]).toContain((await failure(attempt())).statusCode)
    expect(await adapter.pull(ann.event(), { scope, cursor: 0, limit: 1 })).toMatchObject({ changes: [] })
  })

  test('a viewer reads', async () => {
    const [ann, bob] = [await person(), await person()]
    const scope = { workspaceId: ann.workspaceId }
    const store = registries.workspaceStores.ours()
    const email = 'v@example.test'
    const tokenHash = 'a'.repeat(64)
    await store.createInvite({ ...scope, email, role: 'viewer', invitedByUserId: ann.userId, expiresAt: 4102444800, tokenHash })
    const { provider = '', providerUserId = '' } = bob.session
    expect(await store.acceptInviteAndProvisionUser({ provider, providerUserId, email, ...scope, tokenHash })).toMatchObject({ ok: true, createdUser: false })
    expect(await adapter.pull(bob.event(), { scope, cursor: 0, limit: 1 })).toMatchObject({ changes: [] })
    expect(await failure(adapter.push(bob.event(), { scope, ops: [op('kv', 'k', kv('k', 1))] }))).toMatchObject({ statusCode: 403 })
  })
})

describe('cursors and collection', () => {
  test('answer nothing, so that the host answers what it does without', async () => {
    const { workspaceId, event } = await person()
    const scope = { workspaceId }
    expect(await adapter.updateCursor(event(), { scope, deviceId: '1a2b3c4d', version: 1_000_000 })).toBeUndefined()
    expect(await adapter.updateCursor(event(), { scope, deviceId: '1a2b3c4d', version: 0 })).toBeUndefined()
    expect(await adapter.gcTombstones(event(), { scope, retentionSeconds: 3600 })).toBeUndefined()
    expect(await adapter.gcChangeLog(event(), { scope, retentionSeconds: 3600 })).toBeUndefined()
    for (const retentionSeconds of [0, -1]) {
      expect(await failure(adapter.gcChangeLog(event(), { scope, retentionSeconds }))).toMatchObject({ statusCode: 400 })
      expect(await failure(adapter.gcTombstones(event(), { scope, retentionSeconds }))).toMatchObject({ statusCode: 400 })
    }
  })

  test('tell their state, with the runs of the host', async () => {
    expect(await adapter.getMaintenanceState()).toMatchObject({ enabled: expect.any(Boolean), state: 'idle' })
    await adapter.beginMaintenanceRun()
    expect(await adapter.getMaintenanceState()).toMatchObject({ state: 'running' })
    await adapter.failMaintenanceRun('of no use')
    expect(await adapter.getMaintenanceState()).toMatchObject({ state: 'failed', lastError: expect.any(String) })
    const lastRun = Date.now()
    await adapter.beginMaintenanceRun()
    await adapter.completeMaintenanceRun({ lastRun })
    expect(await adapter.getMaintenanceState()).toMatchObject({ state: 'idle', lastRun })
  })

  test('may be asked of all workspaces', async () => {
    const [ann, bob] = [await person(), await person()]
    const all = await adapter.listWorkspaceIds()
    expect(all).toEqual(expect.arrayContaining([ann.workspaceId, bob.workspaceId]))
    expect(new Set(all).size).toBe(all.length)
  })
})

describe('what storage asks', () => {
  const hash = `sha256:${'b'.repeat(64)}`

  test('live files and references come in pages', async () => {
    const { workspaceId, event } = await person()
    const scope = { workspaceId }
    const other = `sha256:${'c'.repeat(64)}`
    const message = { id: 'm1', thread_id: 't1', role: 'user', index: 0, order_key: 'a', deleted: false, created_at: 1, updated_at: 1, clock: 1 }
    const { results } = await adapter.push(event(), {
      scope,
      ops: [
        op('file_meta', hash, file(hash)),
        op('file_meta', other, file(other)),
        op('messages', 'm1', { ...message, file_hashes: JSON.stringify([hash]) }),
      ],
    })
    expect(results.map(({ success }) => success)).toEqual([true, true, true])
    const first = await adapter.queryCanonicalStorage(event(), { scope, kind: 'live_metadata', limit: 1 })
    expect(first).toMatchObject({
      items: [{ kind: 'metadata', hash: expect.stringContaining('b'.repeat(64)), sizeBytes: 5, storageId: 'stored', updatedAt: 2, mimeType: 'image/png', name: 'a.png' }],
      hasMore: true,
      nextCursor: expect.any(String),
    })
    const found: string[] = []
    for (let page = first; ;) {
      found.push(...page.items.map(item => item.hash))
      if (!page.hasMore) break
      page = await adapter.queryCanonicalStorage(event(), { scope, kind: 'live_metadata', limit: 1, cursor: page.nextCursor })
    }
    expect(found.map(item => item.replace('sha256:', ''))).toEqual(['b'.repeat(64), 'c'.repeat(64)])
    expect((await adapter.queryCanonicalStorage(event(), { scope, kind: 'live_metadata', hash, now: 1 })).items).toHaveLength(1)
    expect(await adapter.queryCanonicalStorage(event(), { scope, kind: 'reference_edges' })).toMatchObject({
      items: [{ kind: 'reference', sourceTable: 'messages', sourceId: 'm1' }],
      hasMore: false,
    })
    expect(await adapter.queryCanonicalStorage(event(), { scope, kind: 'active_reservations', now: 1 })).toEqual({ items: [], hasMore: false })
    for (const bad of [{ kind: 'live_metadata', cursor: '?' }, { kind: 'live_metadata', limit: 501 }, { kind: 'everything' }]) {
      expect(await failure(adapter.queryCanonicalStorage(event(), { scope, ...bad }))).toMatchObject({ statusCode: 400 })
    }
  })

  test('intents hold room, within the quota', async () => {
    const { workspaceId, event } = await person()
    const intent = (more: object = {}) => ({
      intentId: randomUUID(),
      workspaceId,
      hash,
      mimeType: 'image/png',
      sizeBytes: 60,
      expiresAt: Math.floor(Date.now() / 1000) + 600,
      workspaceQuotaBytes: 100,
      ...more,
    })
    const first = intent()
    expect(await adapter.reserveUploadIntent(event(), first)).toBeUndefined()
    expect(await failure(adapter.reserveUploadIntent(event(), intent({ hash: `sha256:${'d'.repeat(64)}` })))).toMatchObject({ statusCode: 413 })
    expect(await adapter.cancelUploadIntent(event(), { workspaceId, intentId: first.intentId })).toBeUndefined()
    expect(await failure(adapter.cancelUploadIntent(event(), { workspaceId, intentId: first.intentId }))).toMatchObject({ statusCode: 409 })
    const again = intent()
    await adapter.reserveUploadIntent(event(), again)
    expect(await failure(adapter.consumeUploadIntent(event(), { ...again, hash: `sha256:${'e'.repeat(64)}`, workspaceQuotaBytes: 1000 }))).toMatchObject({ statusCode: 409 })
    expect(await adapter.consumeUploadIntent(event(), again)).toBeUndefined()
    expect(await failure(adapter.reserveUploadIntent(event(), intent({ hash: 'no hash' })))).toMatchObject({ statusCode: 400 })
  })
})

test('a killed engine loses nothing that was acknowledged, and is never "no member" or "no row"', async () => {
  const { cloud } = await import('../src/runtime/server/cloud')
  const { userId, workspaceId, event } = await person()
  const scope = { workspaceId }
  const before = adapter.capabilities
  await adapter.push(event(), { scope, ops: [op('kv', 'k', kv('k', 1))] })
  const pid = (await cloud.engine.hello()).pid
  process.kill(pid, 'SIGKILL')
  const asked = [
    registries.workspaceStores.ours().getWorkspaceRole({ userId, workspaceId }),
    adapter.pull(event(), { scope, cursor: 0, limit: 10 }).then(({ nextCursor }) => nextCursor),
  ]
  expect(adapter.capabilities).toEqual(before)
  const answers = await Promise.all(asked.map(answer => answer.catch((error: unknown) => (error as { statusCode?: number }).statusCode)))
  expect([['owner', 503], [1, 503]].map((may, i) => may.includes(answers[i] as never))).toEqual([true, true])
  await until(async () => {
    const page = await adapter.pull(event(), { scope, cursor: 0, limit: 10 }).catch(async (error: unknown) => {
      expect(error).toMatchObject({ statusCode: 503 })
    })
    if (!page) return false
    expect(page.changes).toMatchObject([{ pk: 'k', payload: { value: 1 } }])
    return true
  })
  expect((await cloud.engine.hello()).pid).not.toBe(pid)
})
