import { ann, expect, fill, heading, look, press, signIn, test, type Page } from '../lib/test.ts'

// The client of these tests has no account UI.
test.use({ client: true })

const told = (page: Page, key: string) => page.locator('div', { has: page.locator(`dt:text-is("${key}")`) }).locator('dd')

test('whoever is not signed in comes to the client by way of the account page, links included', async ({ cloud, open, secrets }) => {
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

test('the client knows the settings of the server, under a policy, and keeps its pages', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open()
  await signIn(page, ann)
  for (const [key, value] of Object.entries({
    ssrAuthEnabled: 'true', authProvider: 'basic-auth', provider: 'sqlite', enabled: 'true', convexUrl: 'kept', registrationMode: 'open',
  })) await expect(told(page, key)).toHaveText(value)

  // The service worker has got every page on its list, also the one that the build does not have, and knows them by another revision.
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}))
  const [list] = await page.evaluate(() => caches.keys())
  expect(list).not.toContain('of-the-build')
  await page.reload()
  await expect.poll(() => page.evaluate(() => Boolean(navigator.serviceWorker.controller))).toBe(true)
  expect(await page.evaluate(() => caches.match('gone/index.html').then(found => found!.text()))).toContain('basic-auth')
})
