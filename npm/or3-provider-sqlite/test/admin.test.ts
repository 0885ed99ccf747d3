import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registries } from './nuxt'
import { eventOf, failure, person, startHost, type Host } from './rig'

let host: Host
beforeAll(async () => {
  host = await startHost()
})
afterAll(() => host.close())

describe('the admin page', () => {
  const context = { enabled: true, provider: 'sqlite' }

  test('shows the state of the store', async () => {
    const adapter = registries.adminAdapters.ours
    expect([adapter.id, adapter.kind]).toEqual(['sqlite', 'sync'])
    const status = await adapter.getStatus(eventOf(), context)
    expect(status).toMatchObject({ details: { package: expect.stringContaining('or3-provider-sqlite'), dbPath: expect.any(String), journalMode: expect.any(String), synchronous: expect.any(String) }, warnings: [] })
    expect(status.actions.map(({ id, danger }) => [id, danger])).toEqual([
      ['sync.gc-change-log', true],
      ['sync.gc-tombstones', true],
    ])
    for (const { label } of status.actions) expect(label).toEqual(expect.any(String))
  })

  test('runs its actions', async () => {
    const adapter = registries.adminAdapters.ours
    const { session, event } = await person()
    const run = (actionId: string, payload?: Record<string, unknown>, of = session) => adapter.runAction(event(), actionId, payload, { ...context, session: of })
    expect(await run('sync.gc-change-log', { retentionDays: 60 })).toMatchObject({ ok: true, action: 'sync.gc-change-log', retentionSeconds: 60 * 86400 })
    expect(await run('sync.gc-tombstones')).toMatchObject({ ok: true, retentionSeconds: 30 * 86400 })
    expect(await failure(run('sync.explode'))).toMatchObject({ statusCode: 400, statusMessage: 'Unknown action' })
    expect(await failure(run('sync.gc-tombstones', {}, { authenticated: true, provider: 'admin', role: 'owner' }))).toMatchObject({
      statusCode: 400,
      statusMessage: 'Workspace not resolved',
    })
  })
})

describe('the stores of the admin page', () => {
  const nobody = randomUUID()
  const access = () => registries.adminStores.ours.createWorkspaceAccessStore(eventOf())
  const settings = () => registries.adminStores.ours.createWorkspaceSettingsStore(eventOf())
  const admins = () => registries.adminStores.ours.createAdminUserStore(eventOf())

  test('say what they can', async () => {
    await person()
    const capabilities = registries.adminStores.ours.getCapabilities?.()
    expect(capabilities).toEqual({
      supportsServerSideAdmin: true,
      supportsUserSearch: true,
      supportsWorkspaceList: true,
      supportsWorkspaceManagement: true,
      supportsDeploymentAdminGrants: true,
    })
  })

  test('members come and go, but for the last owner', async () => {
    const [ann, bob] = [await person(), await person()]
    const { workspaceId } = ann
    const email = (of: typeof ann) => `${of.session.providerUserId}@example.test`
    expect(await access().listMembers({ workspaceId })).toEqual([{ userId: ann.userId, email: email(ann), role: 'owner' }])
    expect(await access().upsertMember({ workspaceId, emailOrProviderId: bob.session.providerUserId ?? '', role: 'viewer', provider: 'test' })).toBeUndefined()
    await access().upsertMember({ workspaceId, emailOrProviderId: bob.session.providerUserId ?? '', role: 'editor', provider: 'test' })
    expect(await access().listMembers({ workspaceId })).toMatchObject([{ role: 'owner' }, { userId: bob.userId, role: 'editor' }])
    await access().setMemberRole({ workspaceId, userId: bob.userId, role: 'viewer' })
    expect(await access().listMembers({ workspaceId })).toMatchObject([{ role: 'owner' }, { userId: bob.userId, role: 'viewer' }])
    await access().removeMember({ workspaceId, userId: bob.userId })
    expect(await access().listMembers({ workspaceId })).toHaveLength(1)

    expect(await failure(access().removeMember({ workspaceId, userId: ann.userId }))).toMatchObject({ statusCode: 409 })
    expect(await failure(access().setMemberRole({ workspaceId, userId: ann.userId, role: 'viewer' }))).toMatchObject({ statusCode: 409 })
    expect(await failure(access().removeMember({ workspaceId, userId: bob.userId }))).toMatchObject({ statusCode: 404 })
    expect(await failure(access().setMemberRole({ workspaceId, userId: bob.userId, role: 'owner' }))).toMatchObject({ statusCode: 404 })
    expect(await failure(access().upsertMember({ workspaceId, emailOrProviderId: 'unknown@example.test', role: 'viewer' }))).toMatchObject({ statusCode: 404 })
    expect(await failure(access().upsertMember({ workspaceId, emailOrProviderId: 'x', role: 'king' as 'owner', provider: 'test' }))).toMatchObject({ statusCode: 400 })
    expect(await access().listMembers({ workspaceId })).toEqual([{ userId: ann.userId, email: email(ann), role: 'owner' }])
  })

  test('workspaces are listed, made, deleted and restored', async () => {
    const ann = await person()
    const name = `Plans ${randomUUID()}`
    const { workspaceId } = await access().createWorkspace({ name, description: 'For later', ownerUserId: ann.userId })
    const summary = {
      id: workspaceId,
      name,
      description: 'For later',
      createdAt: expect.any(Number),
      deleted: false,
      ownerUserId: ann.userId,
      ownerEmail: `${ann.session.providerUserId}@example.test`,
      memberCount: 1,
    }
    expect(await access().listWorkspaces({ search: name.toUpperCase(), page: 1, perPage: 20 })).toEqual({ items: [summary], total: 1 })
    expect(await access().getWorkspace({ workspaceId })).toEqual(summary)
    expect(Math.abs((await access().getWorkspace({ workspaceId }))?.createdAt ?? 0) - Date.now()).toBeLessThan(86_400_000)
    expect(await access().getWorkspace({ workspaceId: nobody })).toBeNull()

    await access().softDeleteWorkspace({ workspaceId, deletedAt: Date.now() })
    expect(await access().listWorkspaces({ search: name, page: 1, perPage: 20 })).toEqual({ items: [], total: 0 })
    expect(await access().listWorkspaces({ search: name, includeDeleted: true, page: 1, perPage: 20 })).toMatchObject({
      items: [{ id: workspaceId, deleted: true, deletedAt: expect.any(Number) }],
      total: 1,
    })
    await access().restoreWorkspace({ workspaceId })
    expect(await access().getWorkspace({ workspaceId })).toEqual(summary)

    expect(await failure(access().createWorkspace({ name: 'Lost', ownerUserId: nobody }))).toMatchObject({ statusCode: 404, statusMessage: 'Owner user not found' })
    expect(await failure(access().softDeleteWorkspace({ workspaceId: nobody, deletedAt: 1 }))).toMatchObject({ statusCode: 404 })
    expect(await failure(access().restoreWorkspace({ workspaceId: nobody }))).toMatchObject({ statusCode: 404 })
    expect(await failure(access().listWorkspaces({ page: 0, perPage: 20 }))).toMatchObject({ statusCode: 400 })
  })

  test('users are found', async () => {
    const ann = await person()
    const found = [{ userId: ann.userId, email: `${ann.session.providerUserId}@example.test` }]
    expect(await access().searchUsers({ query: ann.session.providerUserId ?? '' })).toEqual(found)
    expect(await admins().searchUsers({ query: ann.userId, limit: 1 })).toEqual(found)
    expect(await access().searchUsers({ query: ' ' })).toEqual([])
  })

  test('settings are those of one workspace', async () => {
    const [ann, bob] = [await person(), await person()]
    expect(await settings().get(ann.workspaceId, 'plugins.enabled')).toBeNull()
    await settings().set(ann.workspaceId, 'plugins.enabled', '["a"]')
    await settings().set(ann.workspaceId, 'admin.guest_access.enabled', '')
    expect(await settings().get(ann.workspaceId, 'plugins.enabled')).toBe('["a"]')
    expect(await settings().get(ann.workspaceId, 'admin.guest_access.enabled')).toBe('')
    expect(await settings().get(bob.workspaceId, 'plugins.enabled')).toBeNull()
    expect(await failure(settings().set(nobody, 'plugins.enabled', '[]'))).toMatchObject({ statusCode: 404 })
    expect(await failure(settings().set(ann.workspaceId, ' ', 'x'))).toMatchObject({ statusCode: 400 })
  })

  test('grants make deployment admins', async () => {
    const ann = await person()
    const checker = registries.adminCheckers.ours()
    const { userId, session: { provider = '', providerUserId = '' } } = ann
    expect([await admins().isAdmin({ userId }), await checker.checkDeploymentAdmin(providerUserId, provider)]).toEqual([false, false])
    await admins().grantAdmin({ userId, createdByUserId: 'admin' })
    await admins().grantAdmin({ userId })
    expect([await admins().isAdmin({ userId }), await checker.checkDeploymentAdmin(providerUserId, provider)]).toEqual([true, true])
    expect(await checker.checkDeploymentAdmin(providerUserId, 'another')).toBe(false)
    expect((await admins().listAdmins()).filter(admin => admin.userId === userId)).toEqual([
      { userId, email: `${providerUserId}@example.test`, createdAt: expect.any(Number) },
    ])
    await admins().revokeAdmin({ userId })
    await admins().revokeAdmin({ userId })
    expect([await admins().isAdmin({ userId }), await checker.checkDeploymentAdmin(providerUserId, provider)]).toEqual([false, false])
    expect(await failure(admins().grantAdmin({ userId: nobody }))).toMatchObject({ statusCode: 404 })
  })
})

describe('rate limits', () => {
  test('count, refuse and tell when to come again', async () => {
    const limits = registries.rateLimits.ours
    const key = randomUUID()
    const limit = { windowMs: 60_000, maxRequests: 2 }
    expect(limits.name).toBe('sqlite')
    expect(await limits.getStats(key, limit)).toMatchObject({ limit: 2, remaining: 2 })
    expect(await limits.checkAndRecord(key, limit)).toEqual({ allowed: true, remaining: 1 })
    expect(await limits.checkAndRecord(key, limit)).toEqual({ allowed: true, remaining: 0 })
    expect(await limits.checkAndRecord(key, limit)).toEqual({ allowed: false, remaining: 0, retryAfterMs: expect.any(Number) })
    expect(await limits.getStats(key, limit)).toEqual({ limit: 2, remaining: 0, resetMs: expect.any(Number) })
    expect(await limits.checkAndRecord(randomUUID(), limit)).toMatchObject({ allowed: true })
  })

  test('take keys of any length and limits that are never reached', async () => {
    const limits = registries.rateLimits.ours
    const long = randomUUID().repeat(100)
    expect(await limits.checkAndRecord(long, { windowMs: 1000, maxRequests: 1_000_000 })).toMatchObject({ allowed: true })
    const limit = { windowMs: 60_000, maxRequests: 1 }
    expect(await limits.checkAndRecord(`${long}a`, limit)).toMatchObject({ allowed: true })
    expect(await limits.checkAndRecord(`${long}b`, limit)).toMatchObject({ allowed: true })
    expect(await limits.checkAndRecord(`${long}a`, limit)).toMatchObject({ allowed: false })
  })

  test.each([
    ['', { windowMs: 1000, maxRequests: 1 }],
    ['key', { windowMs: 0, maxRequests: 1 }],
    ['key', { windowMs: 1000, maxRequests: 0 }],
    ['key', { windowMs: 2 * 86_400_000, maxRequests: 1 }],
  ])('key %j with %j is refused', async (key, limit) => {
    expect(await failure(registries.rateLimits.ours.checkAndRecord(key, limit))).toMatchObject({ statusCode: 400 })
    expect(await failure(registries.rateLimits.ours.getStats(key, limit))).toMatchObject({ statusCode: 400 })
  })
})

describe('notifications of background jobs', () => {
  test('reach the user alone, once for each event', async () => {
    const emitter = registries.emitters.ours
    const { userId, workspaceId, event } = await person()
    const complete = await emitter.emitBackgroundJobComplete(workspaceId, userId, 't1', 'job1')
    expect(await emitter.emitBackgroundJobComplete(workspaceId, userId, 't1', 'job1')).toBe(complete)
    const failed = await emitter.emitBackgroundJobError(workspaceId, userId, 't1', 'job1', 'The model has gone')
    expect(failed).not.toBe(complete)
    const { changes } = await registries.syncAdapters.ours().pull(event(), { scope: { workspaceId }, cursor: 0, limit: 10 })
    expect(changes.map(({ pk, tableName, payload }) => [pk, tableName, payload])).toMatchObject([
      [complete, 'notifications', { user_id: userId, type: 'ai.background.complete', thread_id: 't1' }],
      [failed, 'notifications', { user_id: userId, type: 'ai.background.error', thread_id: 't1', body: 'The model has gone' }],
    ])
  })

  test('are not written for those who are not members', async () => {
    const emitter = registries.emitters.ours
    const [ann, bob] = [await person(), await person()]
    expect(await emitter.emitBackgroundJobComplete(ann.workspaceId, bob.userId, 't1', 'job1')).toBeNull()
    expect(await failure(emitter.emitBackgroundJobComplete(' ', bob.userId, 't1', 'job1'))).toMatchObject({ statusCode: 400 })
  })
})
