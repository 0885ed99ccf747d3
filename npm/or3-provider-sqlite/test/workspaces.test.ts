import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuthWorkspaceStore } from '~~/server/auth/store/types'
import { registries } from './nuxt'
import { failure, person, startHost, type Host } from './rig'

let host: Host
let store: AuthWorkspaceStore
beforeAll(async () => {
  host = await startHost()
  store = registries.workspaceStores.ours()
})
afterAll(() => host.close())

const nobody = randomUUID()

describe('users', () => {
  test('one who is unknown is null, and one who is known has the same id each time', async () => {
    const identity = { provider: 'basic-auth', providerUserId: randomUUID() }
    expect(await store.getUser(identity)).toBeNull()
    const made = await Promise.all(
      [1, 2, 3].map(() => store.getOrCreateUser({ ...identity, email: 'ann@example.test', displayName: 'Ann' })),
    )
    expect(new Set(made.map(({ userId }) => userId)).size).toBe(1)
    expect(await store.getUser(identity)).toMatchObject({ userId: made[0]?.userId })
    expect(await store.getUser({ ...identity, provider: 'clerk' })).toBeNull()
  })

  test('a blank identity is refused', async () => {
    expect(await failure(store.getUser({ provider: 'basic-auth', providerUserId: ' ' }))).toMatchObject({ statusCode: 400 })
    expect(await failure(store.getOrCreateUser({ provider: '', providerUserId: 'x' }))).toMatchObject({ statusCode: 400 })
  })
})

describe('workspaces', () => {
  test('the default one is made once, owned and active', async () => {
    const { userId } = await store.getOrCreateUser({ provider: 'test', providerUserId: randomUUID() })
    const made = await store.getOrCreateDefaultWorkspace(userId)
    expect(made).toEqual({ workspaceId: expect.any(String), workspaceName: 'My Workspace', created: true })
    const { workspaceId } = made
    expect(await store.getOrCreateDefaultWorkspace(userId)).toEqual({ ...made, created: false })
    expect(await store.getWorkspaceRole({ userId, workspaceId })).toBe('owner')
    expect(await store.listUserWorkspaces(userId)).toEqual([
      { id: workspaceId, name: 'My Workspace', role: 'owner', createdAt: expect.any(Number), isActive: true },
    ])
  })

  test('no member has no role, in a workspace that does not exist either', async () => {
    const [ann, bob] = [await person(), await person()]
    expect(await store.getWorkspaceRole({ userId: bob.userId, workspaceId: ann.workspaceId })).toBeNull()
    expect(await store.getWorkspaceRole({ userId: bob.userId, workspaceId: nobody })).toBeNull()
    expect(await store.getWorkspaceRole({ userId: nobody, workspaceId: ann.workspaceId })).toBeNull()
    expect(await failure(store.getWorkspaceRole({ userId: bob.userId, workspaceId: '' }))).toMatchObject({ statusCode: 400 })
  })

  test('they are made, changed, switched to and removed', async () => {
    const { userId, workspaceId: first } = await person()
    const { workspaceId } = await store.createWorkspace({ userId, name: 'Work', description: null })
    expect((await store.listUserWorkspaces(userId)).find(({ id }) => id === first)?.isActive).toBe(true)

    await store.updateWorkspace({ userId, workspaceId, name: 'Team', description: 'All of us' })
    expect((await store.listUserWorkspaces(userId)).find(({ id }) => id === workspaceId)).toMatchObject({
      name: 'Team',
      description: 'All of us',
    })
    await store.updateWorkspace({ userId, workspaceId, name: 'Team' })
    expect((await store.listUserWorkspaces(userId)).find(({ id }) => id === workspaceId)?.description ?? null).toBeNull()

    await store.setActiveWorkspace({ userId, workspaceId })
    expect(await store.getOrCreateDefaultWorkspace(userId)).toMatchObject({ workspaceId })
    await store.removeWorkspace({ userId, workspaceId })
    expect(await store.getWorkspaceRole({ userId, workspaceId })).toBeNull()
    expect(await store.getOrCreateDefaultWorkspace(userId)).toMatchObject({ workspaceId: first })
  })

  test('what may not be done is an error with a status', async () => {
    const [ann, bob] = [await person(), await person()]
    const foreign = { userId: bob.userId, workspaceId: ann.workspaceId }
    for (const attempt of [
      () => store.updateWorkspace({ ...foreign, name: 'Mine' }),
      () => store.removeWorkspace(foreign),
      () => store.setActiveWorkspace(foreign),
      () => store.setActiveWorkspace({ userId: bob.userId, workspaceId: nobody }),
    ]) {
      expect([403, 404]).toContain((await failure(attempt())).statusCode)
    }
    const { userId, workspaceId } = ann
    for (const [name, description] of [[''], [' '], ['n'.repeat(101)], ['n', 'd'.repeat(1001)]] as const) {
      expect(await failure(store.createWorkspace({ userId, name, description }))).toMatchObject({ statusCode: 400 })
      expect(await failure(store.updateWorkspace({ userId, workspaceId, name, description }))).toMatchObject({ statusCode: 400 })
    }
    expect(await store.listUserWorkspaces(userId)).toHaveLength(1)
  })
})

describe('invites', () => {
  const hashOf = (token: string) => createHash('sha256').update(token).digest('hex')
  const soon = () => Math.floor(Date.now() / 1000) + 3600

  test('they are made, listed and accepted once', async () => {
    const ann = await person()
    const tokenHash = hashOf(randomUUID())
    const email = 'New@Example.test'
    const question = { workspaceId: ann.workspaceId, email, tokenHash }
    const { inviteId } = await store.createInvite({ ...question, role: 'editor', invitedByUserId: ann.userId, expiresAt: soon() })
    expect(await store.listInvites({ workspaceId: ann.workspaceId, status: 'pending' })).toEqual([
      {
        id: inviteId,
        workspaceId: ann.workspaceId,
        email: 'new@example.test',
        role: 'editor',
        status: 'pending',
        invitedByUserId: ann.userId,
        tokenHash,
        expiresAt: expect.any(Number),
        acceptedAt: null,
        acceptedUserId: null,
        revokedAt: null,
        createdAt: expect.any(Number),
        updatedAt: expect.any(Number),
      },
    ])
    expect(await store.validateInvite(question)).toEqual({ ok: true, role: 'editor' })
    expect(await store.validateInvite({ ...question, email: 'other@example.test' })).toEqual({ ok: false, reason: 'email_mismatch' })
    expect(await store.validateInvite({ ...question, tokenHash: hashOf('wrong') })).toEqual({ ok: false, reason: 'not_found' })

    const identity = { provider: 'test', providerUserId: randomUUID(), email }
    const acceptance = { ...identity, workspaceId: ann.workspaceId, tokenHash }
    const accepted = await store.acceptInviteAndProvisionUser(acceptance)
    expect(accepted).toEqual({ ok: true, userId: expect.any(String), role: 'editor', createdUser: true })
    if (!accepted.ok) return
    expect(await store.getUser(identity)).toMatchObject({ userId: accepted.userId })
    expect(await store.getOrCreateDefaultWorkspace(accepted.userId)).toMatchObject({ workspaceId: ann.workspaceId })
    expect(await store.acceptInviteAndProvisionUser({ ...acceptance, providerUserId: randomUUID() })).toEqual({
      ok: false,
      reason: 'already_used',
    })
    expect(await store.listInvites({ workspaceId: ann.workspaceId })).toMatchObject([
      { id: inviteId, status: 'accepted', acceptedUserId: accepted.userId, acceptedAt: expect.any(Number) },
    ])
  })

  test('revoked and unknown ones are told apart', async () => {
    const ann = await person()
    const tokenHash = hashOf(randomUUID())
    const question = { workspaceId: ann.workspaceId, email: 'b@example.test', tokenHash }
    const { inviteId } = await store.createInvite({ ...question, role: 'viewer', invitedByUserId: ann.userId, expiresAt: soon() })
    const revocation = { workspaceId: ann.workspaceId, inviteId, revokedByUserId: ann.userId }
    await store.revokeInvite(revocation)
    await store.revokeInvite(revocation)
    expect(await store.validateInvite(question)).toEqual({ ok: false, reason: 'revoked' })
    expect(await failure(store.revokeInvite({ ...revocation, inviteId: nobody }))).toMatchObject({ statusCode: 404 })
    expect(await failure(store.createInvite({ ...question, role: 'viewer', invitedByUserId: ann.userId, expiresAt: soon(), workspaceId: nobody }))).toMatchObject({ statusCode: 404 })
  })
})

test('no one administers the deployment without a grant', async () => {
  const checker = registries.adminCheckers.ours()
  await person('ann')
  expect(await checker.checkDeploymentAdmin('ann', 'test')).toBe(false)
  expect(await checker.checkDeploymentAdmin(nobody, 'test')).toBe(false)
})
