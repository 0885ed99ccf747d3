import { ann, enter, expect, fill, heading, look, press, signIn, test, type Page } from '../lib/test.ts'

// The client of these tests has no account UI.
test.use({ client: true })

const told = (page: Page, key: string) => page.locator('div', { has: page.locator(`dt:text-is("${key}")`) }).locator('dd')

test('visitors who are not signed in reach the client through the account page, links included', async ({ cloud, open, secrets }) => {
  secrets.add(cloud.setup.split('=')[1]!)
  const page = await open(cloud.setup)
  await heading(page, 'Create the first account')
  expect(new URL(page.url()).pathname).toBe('/account/')
  await fill(page, { 'E-mail': ann.email, 'Password': ann.password, 'Password again': ann.password })
  await press(page, 'Create account')
  await expect(page.getByRole('heading', { name: 'A client' })).toBeVisible()
  expect(new URL(page.url()).pathname).toBe('/')

  const other = await open(`${cloud.url}/chat/1`)
  await heading(other, 'Sign in')
  await signIn(other, ann)
  await expect(other.getByRole('heading', { name: 'A client' })).toBeVisible()

  await other.goto(`${cloud.url}/account/`)
  await heading(other, 'You are signed in')
  await look(other, 'beside-a-client')
  await other.getByRole('link', { name: 'Open OR3 Chat' }).click()
  await expect(other.getByRole('heading', { name: 'A client' })).toBeVisible()
})

test('a link for a new password leads to the account page, and from there to the client', async ({ cloud, open, secrets }) => {
  await cloud.register(ann)
  const link = (await cloud.run('user', 'reset-link', ann.email)).match(/http:\S+#reset=\S+/)![0]
  secrets.add(link.split('=')[1]!)
  const next = 'eleven quiet boats at noon'
  secrets.add(next)
  const page = await open(link)
  await heading(page, 'Choose a new password')
  expect(new URL(page.url()).pathname).toBe('/account/')
  await fill(page, { 'New password': next, 'Password again': next })
  await press(page, 'Save the password')
  await expect(page.getByText('The new password is saved.')).toBeVisible()
  await signIn(page, { ...ann, password: next })
  await expect(page.getByRole('heading', { name: 'A client' })).toBeVisible()
})

test('no one signs out over what the client has not sent without being told', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open(`${cloud.url}/account/`)
  await enter(page, ann)
  // The outbox of OR3 Chat, as its database has it.
  await page.evaluate(async () => {
    const { workspaces } = await (await fetch('/api/workspaces')).json() as { workspaces: { id: string }[] }
    const request = indexedDB.open(`or3-db-${workspaces[0]!.id}`, 120)
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore('pending_ops', { keyPath: 'id' })
      store.add({ id: '1', tableName: 'threads', pk: 't', status: 'pending' })
      store.add({ id: '2', tableName: 'threads', pk: 't', status: 'failed' })
      store.add({ id: '3', tableName: 'messages', pk: 'm', status: 'syncing' })
    }
    await new Promise(resolve => request.onsuccess = resolve)
    request.result.close()
  })
  await press(page, 'Sign out')
  const dialog = page.getByRole('dialog', { name: 'Some changes have not been sent' })
  await expect(dialog.getByText('2 changes made on this device are not on the server.')).toBeVisible()
  await look(page, 'unsent-changes')
  await press(dialog, 'Stay signed in')
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeFocused()
  await press(page, 'Sign out')
  await press(dialog, 'Sign out anyway')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sign in')
})

test('the client knows the settings of the server, under a policy, and keeps its pages', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open()
  await signIn(page, ann)
  for (const [key, value] of Object.entries({
    ssrAuthEnabled: 'true', authProvider: 'basic-auth', provider: 'sqlite', enabled: 'true', convexUrl: 'kept', registrationMode: 'open',
  })) await expect(told(page, key)).toHaveText(value)

  // The service worker has got every page on its list, also the one that the build does not have, and knows them by
  // another revision.
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}))
  const [list] = await page.evaluate(() => caches.keys())
  expect(list).not.toContain('of-the-build')
  await page.reload()
  await expect.poll(() => page.evaluate(() => Boolean(navigator.serviceWorker.controller))).toBe(true)
  expect(await page.evaluate(() => caches.match('gone/index.html').then(found => found!.text()))).toContain('basic-auth')
})
