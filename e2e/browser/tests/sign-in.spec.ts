import { ann, enter, expect, heading, look, manage, press, signIn, test, type Page } from '../lib/test.ts'

test('a wrong password is refused in words; the right one signs in and out', async ({ cloud, open, refused }) => {
  refused.add('POST /api/basic-auth/sign-in 401')
  await cloud.register(ann)
  const page = await open()
  await heading(page, 'Sign in')
  await look(page, 'sign-in')
  await signIn(page, { ...ann, password: 'not the password' })
  await expect(page.getByRole('alert').filter({ hasText: 'Wrong e-mail or password.' })).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveValue(ann.email)
  await look(page, 'sign-in-wrong')

  await enter(page, ann)
  await page.reload()
  await heading(page, 'You are signed in')
  await press(page, 'Account: Ann')
  await expect(page.getByRole('menu')).toBeVisible()
  await look(page, 'menu')
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await heading(page, 'Sign in')
  await expect(page.getByRole('status').filter({ hasText: 'You are signed out.' })).toBeVisible()
  await page.reload()
  await heading(page, 'Sign in')
})

test('everything works with the keyboard alone', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open()
  await heading(page, 'Sign in')
  await page.keyboard.press('Tab')
  await page.keyboard.type(ann.email)
  await page.keyboard.press('Tab')
  await page.keyboard.type(ann.password)
  await page.keyboard.press('Enter')
  await heading(page, 'You are signed in')

  await tabTo(page, 'button', 'Manage account')
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Your account' })
  await expect(dialog).toBeVisible()
  await tabTo(page, 'tab', 'Account')
  await page.keyboard.press('ArrowRight')
  await expect(dialog.getByRole('tab', { name: 'Security' })).toHaveAttribute('aria-selected', 'true')
  await page.keyboard.press('ArrowLeft')
  await tabTo(page, 'button', 'Change name')
  await page.keyboard.press('Enter')
  await expect(dialog.getByLabel('Display name')).toBeFocused()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('Annie')
  await page.keyboard.press('Enter')
  await expect(dialog.getByText('Name saved.')).toBeVisible()
  await expect(dialog.getByRole('button', { name: 'Change name' })).toBeFocused()
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab')
    expect(await dialog.evaluate(element => element.contains(document.activeElement)), 'the focus stays in the dialog').toBe(true)
  }
  await page.keyboard.press('Escape')
  await expect(dialog).toBeHidden()
  await expect(page.getByRole('button', { name: 'Manage account' })).toBeFocused()
  await expect(page.getByText('Annie (ann@example.org)')).toBeVisible()

  await page.keyboard.press('Shift+Tab') // back to the menu at the top
  await expect(page.getByRole('button', { name: 'Account: Annie' })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('menuitem', { name: 'Manage account' })).toBeFocused()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  await expect(page.getByRole('menuitem', { name: 'Sign out' })).toBeFocused()
  await page.keyboard.press('Enter')
  await heading(page, 'Sign in')
})

// tabTo presses Tab until something has the focus.
async function tabTo(page: Page, role: 'button' | 'tab', name: string) {
  const target = page.getByRole(role, { name, exact: true })
  await expect(target).toBeVisible()
  for (let i = 0; i < 15; i++) {
    await page.keyboard.press('Tab')
    if (await target.evaluate(element => element === document.activeElement)) return
  }
  throw new Error(`Tab does not reach ${name}`)
}

test.describe('an access token of two seconds', () => {
  test.use({ environment: { OR3_BASIC_AUTH_ACCESS_TTL_SECONDS: '2' } })

  test('is renewed unnoticed, in several tabs at once', async ({ cloud, open }) => {
    await cloud.register(ann)
    const page = await open()
    await enter(page, ann)
    const tabs = [page, await page.context().newPage(), await page.context().newPage()]
    for (let round = 0; round < 2; round++) {
      await expired(page)
      await Promise.all(tabs.map(tab => tab === page ? tab.reload() : tab.goto(cloud.url)))
      for (const tab of tabs) await expect(tab.getByRole('heading', { level: 1 })).toHaveText('You are signed in')
    }
    await expired(page)
    const dialog = await manage(page, 'Account') // a page that is open renews as well, in the middle of its work
    await expect(dialog.getByText(ann.email)).toBeVisible()
    await expect(dialog.getByRole('alert').filter({ hasText: /./ })).toHaveCount(0)
  })

  // expired waits until the browser has dropped the access token, or holds one whose time is over.
  async function expired(page: Page) {
    await expect.poll(async () => {
      const access = (await page.context().cookies()).find(({ value }) => value.split('.').length === 3)
      if (!access) return true
      const { exp } = JSON.parse(Buffer.from(access.value.split('.')[1]!, 'base64url').toString()) as { exp: number }
      return Date.now() / 1000 > exp + 1
    }).toBe(true)
  }
})

test('a session that ends while the page is open asks for a new sign-in over it', async ({ cloud, open, refused }) => {
  refused.add('GET /api/basic-auth/account 401')
  await cloud.register(ann)
  const page = await open()
  await enter(page, ann)
  await cloud.run('user', 'revoke', ann.email, '--all')
  await press(page, 'Manage account')
  const dialog = page.getByRole('dialog', { name: 'Sign in' })
  await expect(dialog.getByText('This device was signed out from another of your devices or by an administrator.')).toBeVisible()
  await expect(dialog.getByLabel('E-mail')).toHaveValue(ann.email)
  await look(page, 'session-ended')
  await dialog.getByLabel('Password', { exact: true }).fill(ann.password)
  await press(dialog, 'Sign in')
  await expect(dialog).toBeHidden()
  await expect(page.getByText('Ann (ann@example.org)')).toBeVisible()
})

test('a page that was open during an update reloads itself', async ({ cloud, open, refused }) => {
  await cloud.register(ann)
  const page = await open()
  await enter(page, ann)
  await page.route('**/assets/AccountDialog-*.js', (route) => { // the new version has another one
    refused.add(`GET ${new URL(route.request().url()).pathname} 404`)
    return route.fulfill({ status: 404, body: 'Not Found' })
  })
  const loaded = page.waitForEvent('load')
  await press(page, 'Manage account')
  await loaded
  await page.unrouteAll()
  await heading(page, 'You are signed in')
  const dialog = await manage(page, 'Account')
  await expect(dialog.getByText(ann.email)).toBeVisible()
})

test('a server that does not answer is said so, and the page comes back', async ({ open, refused }) => {
  refused.add('GET /api/auth/session 503')
  const page = await open()
  await heading(page, 'Sign in')
  await page.route('**/api/auth/session', route => route.fulfill({
    status: 503, headers: { 'Retry-After': '1' }, json: { statusCode: 503, statusMessage: 'The server is starting', message: 'The server is starting' },
  }))
  await page.reload()
  await heading(page, 'The server is not ready')
  await look(page, 'not-ready')
  await page.unroute('**/api/auth/session')
  await press(page, 'Try again')
  await heading(page, 'Sign in')
})

test('a refusal for too many tries counts down', async ({ open, refused }) => {
  refused.add('POST /api/basic-auth/sign-in 429')
  const page = await open()
  await page.route('**/api/basic-auth/sign-in', route => route.fulfill({
    status: 429, headers: { 'Retry-After': '42' }, json: { statusCode: 429, statusMessage: 'Too many requests', message: 'Too many requests', data: { code: 'rate_limited' } },
  }))
  await signIn(page, ann)
  await expect(page.getByRole('alert').filter({ hasText: /Too many attempts\. Wait (42|41|40) seconds/ })).toBeVisible()
  await look(page, 'sign-in-limited')
})

test('a first visit loads less than 150 KB', async ({ cloud, open }) => {
  const page = await open()
  await heading(page, 'Sign in')
  const resources = await page.evaluate(() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .map(entry => ({ name: entry.name, size: (entry as PerformanceResourceTiming).encodedBodySize })))
  expect(resources.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(150_000)
  expect(resources.filter(({ name }) => name.startsWith(`${cloud.url}/assets/`)).length).toBeGreaterThan(1)
})
