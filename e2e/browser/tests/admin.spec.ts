import { ann, bob, expect, fill, heading, look, press, signIn, test, type Page } from '../lib/test.ts'

const phone = 390

/** The pages, by what stands in the list of them and in their headings. */
const pages = [
  ['Overview', 'Overview'], ['People', 'People'], ['Workspaces', 'Workspaces'], ['Jobs', 'Jobs'], ['Files and integrity', 'Files and integrity'], ['Mail', 'Mail'],
  ['Configuration', 'Configuration'], ['Audit trail', 'Audit trail'], ['Log', 'Log'], ['About', 'About this server'],
] as const

/** How the server answers the question who administers, before a sign-in. */
const signedOut = 'GET /api/or3/admin/auth/session 401'

async function enter(page: Page, person = ann) {
  await heading(page, 'Administration')
  await signIn(page, person)
  await heading(page, 'Overview')
}

/** follow opens a page by its link in the list. */
async function follow(page: Page, [link, title]: readonly [string, string]) {
  await page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name: link, exact: true }).click()
  await heading(page, title)
  await expect(page.getByText('Loading…')).toHaveCount(0)
}

test('an administrator looks at every page', async ({ cloud, open, refused }) => {
  refused.add(signedOut)
  await cloud.register(ann)
  const page = await open(`${cloud.url}/or3/admin`)
  await heading(page, 'Administration')
  await look(page, 'admin-sign-in', { phone })
  await enter(page)
  for (const entry of pages) {
    await follow(page, entry)
    await look(page, `admin-${entry[0].toLowerCase().replaceAll(' ', '-')}`, { phone })
  }
  await follow(page, ['Overview', 'Overview'])
  await expect(page.getByRole('img', { name: /^Requests per second: now/ })).toBeVisible()
  await look(page, 'admin-load', { phone })
  await follow(page, ['Configuration', 'Configuration'])
  await page.getByLabel('Find a setting').fill('registration')
  await page.getByRole('button', { name: /^Change / }).first().click()
  await look(page, 'admin-setting', { phone })
  await follow(page, ['People', 'People'])
  await page.getByRole('link', { name: 'Signed in', exact: true }).click()
  await heading(page, 'Who is signed in')
  await expect(page.getByRole('row', { name: /ann@example.org.*Chrome on Linux/ })).toBeVisible()
  await look(page, 'admin-signed-in', { phone })
  await page.getByRole('link', { name: 'Administrators', exact: true }).click()
  await heading(page, 'Administrators')
  await look(page, 'admin-administrators', { phone })
  await page.getByRole('link', { name: 'Signed in', exact: true }).click()
  await page.getByRole('link', { name: ann.email }).first().click()
  await heading(page, ann.email)
  await look(page, 'admin-person', { phone })
  await page.getByRole('list', { name: 'Workspaces' }).getByRole('link').click()
  await expect(page.getByRole('table', { name: 'Members' })).toBeVisible()
  await look(page, 'admin-workspace', { phone })
})

test('an account is added, disabled and deleted', async ({ cloud, open, refused }) => {
  refused.add(signedOut).add('POST /api/or3/admin/accounts 400')
  await cloud.register(ann)
  const page = await open(`${cloud.url}/admin`)
  await enter(page)
  await follow(page, ['People', 'People'])
  await press(page, 'Add an account')
  const dialog = page.getByRole('dialog')
  await fill(dialog, { 'E-mail': 'no address', 'Name': 'Bob' })
  await press(dialog, 'Add')
  await expect(dialog.getByRole('alert')).toContainText('is not an e-mail address')
  await fill(dialog, { 'E-mail': bob.email })
  await press(dialog, 'Add')
  await expect(dialog.getByText(/#reset=/)).toBeVisible()
  await look(page, 'admin-added', { phone })
  await press(dialog, 'Done')
  await page.getByRole('link', { name: bob.email }).click()
  await heading(page, bob.email)

  await press(page, 'Disable…')
  await expect(dialog).toContainText('signed out everywhere at once')
  await press(dialog, 'Disable')
  await expect(page.getByRole('status').filter({ hasText: 'The account is disabled.' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Enable', exact: true })).toBeVisible()

  await press(page, 'Delete…')
  await look(page, 'admin-delete', { phone })
  await press(dialog, 'Delete permanently')
  await expect(dialog).toContainText(`Type ${bob.email} to continue.`)
  await fill(dialog, { [`Type ${bob.email} to confirm`]: bob.email })
  await press(dialog, 'Delete permanently')
  await heading(page, 'People')
  await expect(page.getByRole('link', { name: bob.email })).toHaveCount(0)

  await page.getByRole('link', { name: ann.email }).click()
  await heading(page, ann.email)
  refused.add(await refusal(page, 'delete'))
  await press(page, 'Delete…')
  await fill(dialog, { [`Type ${ann.email} to confirm`]: ann.email })
  await press(dialog, 'Delete permanently')
  await expect(dialog.getByRole('alert')).toContainText('This is your own account')
  await press(dialog, 'Cancel')

  await follow(page, ['Audit trail', 'Audit trail'])
  await expect(page.getByRole('row', { name: /Account: delete.*Done/ })).toBeVisible()
  await expect(page.getByRole('row', { name: /Account: disable.*Done/ })).toBeVisible()
  await page.getByLabel('Outcome').selectOption('Refused')
  await press(page, 'Search')
  await expect(page.getByRole('row', { name: /Account: delete.*Refused: conflict/ })).toBeVisible()
  await expect(page.getByRole('row', { name: /Account: disable/ })).toHaveCount(0)
  await look(page, 'admin-audit-refused', { phone })
})

/** refusal is how the server refuses what is done to the account that a page shows. */
async function refusal(page: Page, what: string): Promise<string> {
  const id = new URL(page.url()).hash.split('/').at(-1)
  return `POST /api/or3/admin/accounts/${id}/${what} 409`
}

test('a member who administers nothing is told what to do', async ({ cloud, open, refused }) => {
  refused.add(signedOut)
  await cloud.register(ann)
  await cloud.register(bob)
  const page = await open(`${cloud.url}/or3/admin`)
  await heading(page, 'Administration')
  await signIn(page, bob)
  await heading(page, 'You are not an administrator here')
  await expect(page.getByText(`or3-cloud user admin grant ${bob.email}`)).toBeVisible()
  await look(page, 'admin-no-permission', { phone })
  await cloud.run('user', 'admin', 'grant', bob.email)
  await press(page, 'Check again')
  await heading(page, 'Overview')
})

test.describe('with a super administrator', () => {
  test.use({ environment: { OR3_ADMIN_USERNAME: 'keeper', OR3_ADMIN_PASSWORD: 'Correct horse 1' } })

  test('name and password are enough', async ({ cloud, open, refused }) => {
    refused.add(signedOut).add('POST /api/or3/admin/auth/login 401')
    const page = await open(`${cloud.url}/admin/`)
    await heading(page, 'Administration')
    await press(page, 'Sign in as the super administrator')
    await fill(page, { Name: 'keeper', Password: 'wrong' })
    await press(page, 'Sign in')
    await expect(page.getByRole('alert')).toHaveText('Wrong name or password.')
    await look(page, 'admin-by-name', { phone })
    await fill(page, { Password: 'Correct horse 1' })
    await press(page, 'Sign in')
    await heading(page, 'Overview')
    await follow(page, ['People', 'People'])
    await expect(page.getByText('There are no accounts yet.')).toBeVisible()
    await look(page, 'admin-people-empty', { phone })
    await press(page, 'Sign out')
    await heading(page, 'Administration')
  })
})

test('the log is shown as it comes', async ({ cloud, open, refused }) => {
  refused.add(signedOut)
  await cloud.register(ann)
  const page = await open(`${cloud.url}/or3/admin`)
  await enter(page)
  await follow(page, ['Log', 'Log'])
  const log = page.getByRole('region', { name: 'Log', exact: true })
  await expect(log.getByRole('listitem').filter({ hasText: 'ready' })).toBeVisible()
  const requests = log.getByRole('listitem').filter({ hasText: '/api/health' })
  await expect(requests).toHaveCount(0)
  await page.getByLabel('Show', { exact: true }).selectOption('Everything')
  await expect(async () => { // the details are kept from when the stream has begun
    await page.request.get(`${cloud.url}/api/health`)
    expect(await requests.count()).toBeGreaterThan(0)
  }).toPass()
  await look(page, 'admin-log-everything', { phone })
  await press(page, 'Pause')
  await expect(page.getByRole('button', { name: 'Resume' })).toBeVisible()
  await page.getByLabel('Write to the server’s output').selectOption('Warnings and above')
  await expect(page.getByRole('status').filter({ hasText: 'The server writes warn and above to its output until it restarts.' })).toBeVisible()
  await press(page, 'Resume')
  await page.getByLabel('Show', { exact: true }).selectOption('Errors')
  await expect(log.getByText('Nothing at this level since the server started.')).toBeVisible()
  await look(page, 'admin-log-empty', { phone })
})

test.describe('with a mail server that does not answer', () => {
  test.use({ environment: { OR3_SMTP_URL: 'smtp://127.0.0.1:1?tls=none', OR3_SMTP_FROM: 'cloud@example.org' } })

  // The figure of clicks is what a new operator needs for an answer, from the page that comes first.
  test('a new operator finds out what is asked first', async ({ cloud, open, refused }) => {
    refused.add(signedOut)
    await cloud.register(ann)
    await cloud.run('workspace', 'create', 'Team', '--owner', ann.email, '--description', 'What all of us work on')
    await cloud.run('workspace', 'create', 'A workspace with a rather long name that has to be broken somewhere', '--owner', ann.email)
    const page = await open(`${cloud.url}/or3/admin`)
    await enter(page)
    await cloud.post('forgot-password', { email: ann.email })
    const overview = () => follow(page, ['Overview', 'Overview'])

    // Who is signed in: one click.
    await page.getByRole('link', { name: /^Signed in/ }).click()
    await expect(page.getByRole('row', { name: /ann@example.org.*Chrome on Linux/ })).toBeVisible()

    // Which workspace uses most space: one click, the first row.
    await overview()
    await page.getByRole('link', { name: /^Workspaces \d/ }).click()
    await expect(page.getByRole('table', { name: 'Workspaces' }).getByRole('row')).toHaveCount(3)
    await look(page, 'admin-workspaces-full', { phone })

    // Why mail fails: the page that comes first says that it does, and one click says why.
    await overview()
    await page.getByRole('link', { name: 'Why mail fails' }).click()
    await heading(page, 'Mail')
    await expect(page.getByRole('row', { name: /Password reset link.*ann@example.org/ })).toContainText('Nothing listens at 127.0.0.1:1')
    await look(page, 'admin-mail-failing', { phone })
    await overview()
    await look(page, 'admin-attention', { phone })

    // When files were last read back: the page that comes first says it, and one click says how many they were.
    const files = page.getByRole('link', { name: /^Files .*hecked/ })
    await files.click()
    await heading(page, 'Files and integrity')
    await expect(page.getByText('Last checked')).toBeVisible()
  })
})

test('jobs are shown in each state', async ({ cloud, open, refused }) => {
  refused.add(signedOut)
  await cloud.register(ann)
  const page = await open(`${cloud.url}/or3/admin`)
  await enter(page)
  const job = { kind: 'chat', userId: 'u', email: ann.email, workspaceId: 'w', model: 'example/large', attempts: 1, startedAt: '2026-11-01T10:00:00Z' }
  await page.route('**/api/or3/admin/jobs', route => route.fulfill({ json: {
    counts: { running: 1, waiting: 1, complete: 1, failed: 1, aborted: 1 },
    jobs: [
      { ...job, id: '1', status: 'streaming' }, { ...job, id: '2', status: 'streaming', waiting: true }, { ...job, id: '3', status: 'complete' },
      { ...job, id: '4', status: 'error', attempts: 3, cause: 'The server of the model refused the request with status 429.' }, { ...job, id: '5', status: 'aborted' },
    ],
  } }))
  await follow(page, ['Jobs', 'Jobs'])
  for (const state of ['Running', 'Waiting', 'Done', 'Failed', 'Stopped']) await expect(page.getByRole('row', { name: new RegExp(`^${state} `) })).toBeVisible()
  await expect(page.getByRole('button', { name: `Stop the job of ${ann.email}` })).toHaveCount(2)
  await look(page, 'admin-jobs-full', { phone })
})

test('what fails says so and can be tried again', async ({ cloud, open, refused }) => {
  refused.add(signedOut).add('GET /api/or3/admin/mail 500').add('GET /api/or3/admin/accounts 500')
  await cloud.register(ann)
  const page = await open(`${cloud.url}/or3/admin`)
  await enter(page)
  const broken = { status: 500, json: { statusCode: 500, statusMessage: 'Server Error' } }
  let failing = true
  await page.route('**/api/or3/admin/mail', route => failing ? route.fulfill(broken) : route.continue())
  await page.exposeFunction('repair', () => failing = false)
  await follow(page, ['Mail', 'Mail'])
  await expect(page.getByRole('alert')).toHaveText('The server has a problem. Nothing was changed; its log says more.')
  await look(page, 'admin-error', { phone })
  // The page also looks again on its own. So the server recovers in the moment of the click, and not before.
  await page.getByRole('button', { name: 'Try again', exact: true }).evaluate((button: HTMLElement) => {
    void (globalThis as unknown as { repair(): Promise<void> }).repair()
    button.click()
  })
  await expect(page.getByRole('heading', { name: 'No mail server is configured' })).toBeVisible()

  // The page waits for an answer while it is looked at. On a slow machine it gives up meanwhile, so it is asked for the
  // list once more.
  let answer = () => {}
  let slow = true
  await page.route('**/api/or3/admin/accounts', async (route) => {
    if (slow) await new Promise<void>(resolve => answer = resolve)
    await route.fulfill(broken).catch(() => {}) // unless the page has given up
  })
  await page.getByRole('link', { name: 'People', exact: true }).click()
  await heading(page, 'People')
  await expect(page.getByRole('status').filter({ hasText: 'Loading…' })).toBeAttached()
  await look(page, 'admin-loading', { phone })
  slow = false
  answer()
  await follow(page, ['Mail', 'Mail'])
  await follow(page, ['People', 'People'])
  await expect(page.getByRole('alert').filter({ hasText: 'The server has a problem.' })).toBeVisible()
})

test('the keyboard reaches everything', async ({ cloud, open, refused }) => {
  refused.add(signedOut)
  await cloud.register(ann)
  const page = await open(`${cloud.url}/or3/admin`)
  await enter(page)
  await page.getByRole('link', { name: 'Skip to content' }).focus()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('main')).toBeFocused()
  await page.setViewportSize({ width: phone, height: 800 })
  const menu = page.getByRole('button', { name: 'Menu' })
  await menu.focus()
  await page.keyboard.press('Enter')
  await expect(menu).toHaveAttribute('aria-expanded', 'true')
  await look(page, 'admin-menu', { phone })
  await page.setViewportSize({ width: phone, height: 800 })
  await menu.focus() // it was away on the wide screens
  await page.keyboard.press('Tab')
  await page.keyboard.press('Escape')
  await expect(menu).toBeFocused()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: 'People', exact: true })).toBeFocused()
  await page.keyboard.press('Enter')
  await heading(page, 'People')
  await page.getByLabel('E-mail or name').focus()
  await page.keyboard.type('ann')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('link', { name: ann.email })).toBeVisible()
  await page.getByRole('link', { name: ann.email }).focus()
  await page.keyboard.press('Enter')
  await heading(page, ann.email)
  await page.getByRole('button', { name: 'Disable…' }).focus()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('button', { name: 'Disable…' })).toBeFocused()
})

test('no page loads more than 200 KB', async ({ cloud, open, refused }) => {
  refused.add(signedOut)
  await cloud.register(ann)
  const page = await open(`${cloud.url}/or3/admin`)
  await enter(page)
  const network = await page.context().newCDPSession(page)
  await network.send('Network.enable')
  await network.send('Network.setCacheDisabled', { cacheDisabled: true })
  let loaded = 0
  network.on('Network.loadingFinished', ({ encodedDataLength }) => {
    loaded += encodedDataLength
  })
  for (const [link, title] of pages) {
    await follow(page, [link, title])
    loaded = 0
    await page.reload()
    await heading(page, title)
    await expect(page.getByText('Loading…')).toHaveCount(0)
    if (title === 'Overview') await expect(page.getByRole('heading', { name: /^Load/ })).toBeVisible()
    if (title !== 'Log') await page.waitForLoadState('networkidle') // its stream never ends
    console.log(`${title}: ${loaded} bytes`)
    expect(loaded, title).toBeLessThanOrEqual(200_000)
  }
})
