// What people do: two devices of one account, in Chromium.
import { expect, test } from 'vitest'
import { attach, documentsOf, openBrowser, openDevice, show, signInAs, write } from './browser.js'
import { newest, said, start } from './host.js'

test('two devices keep in step, share a file, switch the workspace and sign out', async () => {
  const server = await start()
  const browser = await openBrowser()
  const [first, second] = [await openDevice(browser, server.url), await openDevice(browser, server.url)]

  await signInAs(first)
  await write(first, 'From the first device')
  await first.page.getByText(', 0 waiting').waitFor()

  await signInAs(second)
  await documentsOf(second).getByText('From the first device').waitFor()
  for (const { page, asked } of [first, second]) {
    await page.getByText('Live, 0 waiting').waitFor()
    expect(asked).toContain('GET /api/sync/events')
  }
  await write(second, 'From the second device')
  await documentsOf(first).getByText('From the second device').waitFor()

  await attach(first, 'pixel.png')
  await show(second, 'pixel.png')

  await first.page.getByLabel('Name of a workspace').fill('Second workspace')
  await first.page.getByRole('button', { name: 'Create workspace' }).click()
  await first.page.getByRole('button', { name: 'Second workspace' }).click()
  await first.page.getByRole('heading', { level: 2, name: 'Second workspace' }).waitFor()
  expect(await documentsOf(first).count()).toBe(0)
  await write(first, 'In the second workspace')
  await documentsOf(first).getByText('In the second workspace').waitFor()
  await first.page.getByText(', 0 waiting').waitFor()

  await first.page.getByRole('button', { name: /^Account: / }).click()
  await first.page.getByRole('menuitem', { name: 'Sign out' }).click()
  await first.page.getByText('No one is signed in.').waitFor()
  expect(await first.page.evaluate(() => sessionStorage.getItem('signed-out'))).toBe('yes')

  // Errors of requests are Chromium's own lines; a page that another device has moved gets some.
  for (const { said } of [first, second]) expect(said.filter(line => !line.startsWith('Failed to load resource'))).toEqual([])
  expect(server.said).not.toMatch(/"status":5\d\d/)
})

test('one line says which packages and which program run', async () => {
  const server = await start()
  await server.engine()
  const [line, ...more] = server.said.split('\n').filter(text => /or3-cloud \S+, process/.test(text))
  expect(more).toEqual([])
  for (const name of ['or3-provider-basic-auth', 'or3-provider-sqlite', 'or3-provider-fs', 'or3-cloud-engine']) {
    expect(line).toMatch(new RegExp(`${name} \\d+\\.\\d+\\.\\d+`))
  }
})

test('the build with our packages has no warning', () => {
  expect(said('build').replace(/^.*PLUGIN_TIMINGS.*$/gm, '')).not.toMatch(/warn|deprecat/i)
})

test.runIf(newest)('a new device begins with a snapshot, and gets what the newest host demands', async () => {
  const { signIn, sessionOf, documentOp } = await import('./host.js')
  const server = await start()
  const device = await signIn(server)
  const { workspace } = await sessionOf(server, device)
  const scope = { workspaceId: workspace.id }
  const op = documentOp('kept')
  const pushed = await server.ask('POST', '/api/sync/push', { scope, ops: [op] }, device)
  expect(await pushed.json()).toMatchObject({ results: [{ opId: op.stamp.opId, success: true, applied: true }] })
  const snapshot = await server.ask('POST', '/api/sync/snapshot', { scope, pageSize: 300 }, device)
  expect(snapshot.status).toBe(200)
  expect(await snapshot.json()).toMatchObject({ workspaceId: workspace.id, nextPageToken: null, items: [{ kind: 'row', pk: op.pk }] })
  const session = await (await server.ask('GET', '/api/auth/session', undefined, device)).json()
  expect(session).toMatchObject({ appAccessAllowed: true, workspaceItemCapability: 'v1', session: { entitlements: [] } })
})
