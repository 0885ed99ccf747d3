// Who may see and change what, and for how long.
import { expect } from 'vitest'
import { historyOf, workspaceOf } from '../history.js'
import { expectEqual, person, until, type Tab, type World } from '../world.js'

const intent = { 'x-or3-cloud-intent': 'mutation' }

/** Sends a request of our own pages, which has to succeed. */
async function post(tab: Tab, path: string, body: object): Promise<unknown> {
  const { status, text } = await tab.do(({ ask }, ...given) => ask('POST', ...given), path, body, intent)
  expect(status, `${path}: ${text}`).toBe(200)
  return JSON.parse(text)
}

/** Two workspaces of one person: neither device shows in one what was written in the other. */
export async function workspaces(world: World): Promise<void> {
  const who = person('ann')
  const [a, b] = await world.devicesOf(who, 2) as [Tab, Tab]
  await a.put({ id: 'same', title: 'in the first' }, { id: 'first', title: 'x' })
  await a.synced()
  const { id } = await post(a, '/api/workspaces', { name: 'Second' }) as { id: string }
  // Written offline in the first one, and still there when the other one is chosen.
  a.device.line.cut()
  await a.put({ id: 'late', title: 'in the first' })
  a.device.line.mend()
  const first = await workspaceOf(a)
  await post(a, '/api/workspaces/active', { id })
  const second = await a.device.tab({ database: 'second', workspace: id })
  await second.put({ id: 'same', title: 'in the second' }, { id: 'second', title: 'x' })
  await second.synced()
  expect(await second.rows()).toEqual({ same: { id: 'same', title: 'in the second' }, second: { id: 'second', title: 'x' } })
  // The database of the first one stays with the first, whichever is the active one.
  await a.put({ id: 'later', title: 'in the first' })
  const elsewhere = await b.device.tab({ database: 'second', workspace: id })
  await elsewhere.synced()
  expect(await elsewhere.rows()).toEqual(await second.rows())
  await post(a, '/api/workspaces/active', { id: first })
  const rows = await expectEqual(a, b)
  expect(Object.fromEntries(Object.values(rows).map(row => [row.id, row.title]))).toEqual({ same: 'in the first', first: 'x', late: 'in the first', later: 'in the first' })
  expect(Object.keys(await second.rows()).sort()).toEqual(['same', 'second'])
  // A stranger who names it gets nothing of it, and no one gets what the stranger writes.
  const stranger = await (await world.device()).tab({ workspace: first })
  await stranger.do(({ account }, ...given) => account.register(...given), ...Object.values(person('bob')) as [string, string])
  await stranger.put({ id: 'foreign', title: 'x' })
  await stranger.is({ state: 'forbidden' })
  expect(Object.keys(await stranger.rows())).toEqual(['foreign'])
  expect((await historyOf(a)).map(({ pk }) => pk.replace('kv:matrix/notes/', '')).sort()).toEqual(['first', 'late', 'later', 'same'])
}

/** A viewer gets what others write and is told that own edits stay where they are, until the role is another. */
export async function viewer(world: World): Promise<void> {
  const [owner] = await world.devicesOf(person('ann'), 1) as [Tab]
  const bob = person('bob')
  const guest = await (await world.device()).tab({ database: 'none' })
  await guest.do(({ account }, ...given) => account.register(...given), bob.email, bob.password)
  const workspace = await workspaceOf(owner)
  await world.host.operate('workspace', 'members', 'add', workspace, bob.email, '--role', 'viewer')
  await owner.put({ id: 'shared', title: 'of the owner' }, { id: 'other', title: 'of the owner' })
  await owner.synced()
  await post(guest, '/api/workspaces/active', { id: workspace })
  const tab = await guest.device.tab({ database: 'shared', workspace })
  await tab.has('shared', 'of the owner')
  await until(async () => (await tab.status()).readOnly)
  await tab.put({ id: 'shared', title: 'of the viewer' }, { id: 'new', title: 'of the viewer' })
  await tab.delete('other')
  await tab.is({ state: 'live', readOnly: true, pending: 3 })
  // Neither is it written, nor overwritten by what comes.
  await owner.put({ id: 'later', title: 'of the owner' })
  await tab.has('later', 'of the owner')
  expect(Object.values(await tab.rows()).map(row => `${row.id} ${row.title}`).sort()).toEqual(['later of the owner', 'new of the viewer', 'shared of the viewer'])
  await owner.synced()
  expect(Object.values(await owner.rows()).map(row => `${row.id} ${row.title}`).sort()).toEqual(['later of the owner', 'other of the owner', 'shared of the owner'])
  expect((await historyOf(owner)).length).toBe(3)
  const refused = await tab.do(({ sync }) => sync.files.add(new Blob(['of the viewer'], { type: 'text/plain' })))
  await tab.is({ state: 'live', readOnly: true })
  expect(await tab.do(async ({ db }, hash) => (await db.table('file_transfers').get(`${hash} upload`) as { state: string }).state, refused.hash)).not.toBe('done')
  // As an editor all of it is sent.
  await world.host.operate('workspace', 'members', 'role', workspace, bob.email, 'editor')
  await until(async () => {
    await tab.do(({ sync }) => sync.files.retry())
    return (await tab.do(({ sync }) => sync.now())).readOnly === false && await tab.do(({ sync }) => sync.pending()) === 0
  })
  expect(Object.keys(await expectEqual(owner, tab)).sort()).toEqual(['later', 'new', 'shared'])
  expect((await owner.rows()).shared?.title).toBe('of the viewer')
}

/**
 * Access tokens run out under two tabs that ask for many things at once. The session goes on, by one rotation for all.
 */
export async function sessionRefresh(world: World): Promise<void> {
  const [first, other] = await world.devicesOf(person('ann'), 2) as [Tab, Tab]
  const { device } = first
  const second = await device.tab()
  for (let time = 0; time < 5; time++) {
    const before = await device.profile.cookies()
    await device.profile.lose('or3_access')
    const answers = await Promise.all([first, second].map(tab => tab.do(async ({ account, notes, sync }, id) => {
      const sessions = Array.from({ length: 4 }, () => account.session())
      await notes.put({ id, title: 'x' })
      void sync.now()
      return (await Promise.all(sessions)).map(session => session?.user.email ?? null)
    }, `${time} ${tab === first}`)))
    expect(new Set(answers.flat()).size).toBe(1)
    expect(answers.flat()).not.toContain(null)
    const after = await device.profile.cookies()
    expect(after.or3_access).toBeTruthy()
    expect(after.or3_refresh).not.toBe(before.or3_refresh)
    await Promise.all([first.synced(), second.synced()])
  }
  // Each tab asks for new tokens itself, at the same time.
  const refreshed = await Promise.all([first, second].map(tab => tab.do(async ({ ask }) =>
    (await Promise.all(Array.from({ length: 4 }, () => ask('POST', '/api/basic-auth/refresh')))).map(({ status }) => status))))
  expect(refreshed.flat()).toEqual(Array(8).fill(200))
  await second.put({ id: 'after', title: 'x' })
  await other.has('after', 'x')
  expect(Object.keys(await expectEqual(first, second, other))).toHaveLength(11)
  for (const tab of [first, second]) {
    const states = await tab.do(({ events }) => events.status.map(({ state }) => state))
    expect(states.slice(states.indexOf('live'))).not.toContain('signed-out')
  }
}

/**
 * Signing out in one tab, or from another device, signs out all tabs. Unsent edits are reported, kept and sent later.
 */
export async function signOut(world: World): Promise<void> {
  const ann = person('ann')
  const bob = person('bob')
  const [first, far] = await world.devicesOf(ann, 2) as [Tab, Tab]
  const [bobs] = await world.devicesOf(bob, 1) as [Tab]
  const { device } = first
  const second = await device.tab()
  await first.put({ id: 'sent', title: 'of ann' })
  await expectEqual(first, second, far)

  // Offline no one can sign out, which is told.
  device.line.cut()
  await second.put({ id: 'unsent', title: 'of ann' })
  expect(await second.do(({ account }) => account.signOut().then(() => 'signed out', error => (error as { code: string }).code))).toBe('offline')
  // Whatever keeps the edit from being sent before.
  for (const tab of [first, second]) await tab.do(({ withhold }) => withhold('/api/sync/push'))
  device.line.mend()
  await second.do(({ account }) => account.signOut())
  for (const tab of [first, second]) await until(async () => {
    const { state, pending } = await tab.status()
    return state === 'signed-out' && pending === 1
  })
  for (const tab of [first, second]) await tab.do(({ withhold }) => withhold(null))
  expect((await far.status()).state).toBe('live')

  // Someone else on the device is told whose it is; nothing goes either way.
  await second.signIn(bob)
  for (const tab of [first, second]) await until(async () => (await tab.status()).state === 'other-account')
  await second.put({ id: 'under bob', title: 'in the database of ann' })
  await bobs.put({ id: 'of bob', title: 'of bob' })
  await bobs.synced()
  await first.is({ state: 'other-account', pending: 2 })
  expect(Object.keys(await first.rows()).sort()).toEqual(['sent', 'under bob', 'unsent'])
  expect((await historyOf(bobs)).map(({ pk }) => pk)).toEqual(['kv:matrix/notes/of bob'])
  await first.do(({ account }) => account.signOut())
  await first.signIn(ann)
  expect(Object.keys(await expectEqual(first, second, far)).sort()).toEqual(['sent', 'under bob', 'unsent'])

  // Another device ends this one's session.
  await post(far, '/api/basic-auth/sessions/revoke-others', {})
  await second.put({ id: 'after', title: 'of ann' })
  for (const tab of [first, second]) await until(async () => {
    const { state, pending } = await tab.status()
    return state === 'signed-out' && pending === 1
  })
  await far.is({ state: 'live' })
  expect(Object.keys(await far.rows())).not.toContain('after')
  await second.signIn(ann)
  await far.has('after', 'of ann')
  await expectEqual(first, second, far)
}
