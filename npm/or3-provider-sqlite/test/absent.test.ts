import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registries } from './nuxt'
import { eventOf, failure, runPlugins, type Host } from './rig'

// There is a program, and it ends at once: as an engine that is being restarted, or cannot open its data.
let host: Host
beforeAll(async () => {
  host = await runPlugins({ env: { OR3_CLOUD_BIN: '/bin/false' } })
})
afterAll(() => host.close())

describe.concurrent('while there is no engine', () => {
  const session = { authenticated: true, provider: 'p', providerUserId: 'ann', user: { id: 'u' }, workspace: { id: 'w', name: 'W' }, role: 'owner' as const }
  const scope = { workspaceId: 'w' }
  const identity = { provider: 'p', providerUserId: 'ann' }
  const limit = { windowMs: 1000, maxRequests: 1 }

  test.each<[string, () => Promise<unknown>]>([
    ['getUser', () => registries.workspaceStores.ours().getUser(identity)],
    ['getOrCreateUser', () => registries.workspaceStores.ours().getOrCreateUser(identity)],
    ['getOrCreateDefaultWorkspace', () => registries.workspaceStores.ours().getOrCreateDefaultWorkspace('u')],
    ['getWorkspaceRole', () => registries.workspaceStores.ours().getWorkspaceRole({ userId: 'u', workspaceId: 'w' })],
    ['listUserWorkspaces', () => registries.workspaceStores.ours().listUserWorkspaces('u')],
    ['validateInvite', () => registries.workspaceStores.ours().validateInvite({ workspaceId: 'w', email: 'e', tokenHash: 'h' })],
    ['checkDeploymentAdmin', () => registries.adminCheckers.ours().checkDeploymentAdmin('ann', 'p')],
    ['getMaintenanceState', () => registries.syncAdapters.ours().getMaintenanceState()],
    ['checkAndRecord', () => registries.rateLimits.ours.checkAndRecord('k', limit)],
    ['emitBackgroundJobComplete', () => registries.emitters.ours.emitBackgroundJobComplete('w', 'u', 't', 'j')],
  ])('%s is 503', async (_, ask) => {
    expect(await failure(ask())).toMatchObject({ statusCode: 503, statusMessage: 'The cloud is temporarily unavailable', cause: { code: 'ended' } })
  })

  test.each<[string, (event: ReturnType<typeof eventOf>) => Promise<unknown>]>([
    ['pull', event => registries.syncAdapters.ours().pull(event, { scope, cursor: 0, limit: 1 })],
    ['push', event => registries.syncAdapters.ours().push(event, { scope, ops: [] })],
    ['snapshot', event => registries.syncAdapters.ours().snapshot(event, { scope, pageSize: 1 })],
    ['updateCursor', event => registries.syncAdapters.ours().updateCursor(event, { scope, deviceId: 'd', version: 0 })],
    ['queryCanonicalStorage', event => registries.syncAdapters.ours().queryCanonicalStorage(event, { scope, kind: 'live_metadata' })],
    ['runAction', event => registries.adminAdapters.ours.runAction(event, 'sync.gc-tombstones', {}, { enabled: true, provider: 'sqlite', session })],
    ['listMembers', event => registries.adminStores.ours.createWorkspaceAccessStore(event).listMembers(scope)],
    ['setting', event => registries.adminStores.ours.createWorkspaceSettingsStore(event).get('w', 'plugins.enabled')],
    ['isAdmin', event => registries.adminStores.ours.createAdminUserStore(event).isAdmin({ userId: 'u' })],
  ])('%s is 503 and says when to come again', async (_, ask) => {
    const event = eventOf(session)
    expect(await failure(ask(event))).toMatchObject({ statusCode: 503 })
    expect(Number(event.node.res.getHeader('retry-after'))).toBeGreaterThan(0)
  })

  test('the admin page says so', async () => {
    const status = await registries.adminAdapters.ours.getStatus(eventOf(session), { enabled: true, provider: 'sqlite' })
    expect(status).toMatchObject({ warnings: [{ level: 'error', message: expect.stringContaining('/bin/false') }], actions: [] })
  })

  test('sync promises nothing', () => {
    expect(registries.syncAdapters.ours().capabilities).toEqual({})
  })
})
