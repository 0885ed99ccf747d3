import { ann, bob, enter, expect, fill, heading, look, press, test } from '../lib/test.ts'

test('the one-time link creates the first account', async ({ cloud, open }) => {
  const page = await open(cloud.setup)
  await heading(page, 'Create the first account')
  expect(page.url(), 'the token stays in the address bar').not.toContain('setup')
  await look(page, 'setup')

  await press(page, 'Create account')
  await expect(page.getByLabel('E-mail')).toBeFocused()
  await expect(page.getByLabel('E-mail')).toHaveAccessibleDescription(/E-mail is missing\./)
  await fill(page, { 'Name': ann.name!, 'E-mail': ann.email, 'Password': ann.password, 'Password again': 'something else' })
  await press(page, 'Create account')
  await expect(page.getByLabel('Password again')).toHaveAccessibleDescription(/The passwords do not match\./)
  await look(page, 'setup-faults')

  await page.getByLabel('Password again').fill(ann.password)
  await page.getByLabel('Password again').press('Enter')
  await heading(page, 'You are signed in')
  await expect(page.getByRole('status').filter({ hasText: 'Your account is ready.' })).toBeVisible()
  await expect(page.getByText('Ann (ann@example.org)')).toBeVisible()
  await expect(page.getByText(cloud.url, { exact: true })).toBeVisible()
  await expect(page.getByRole('list', { name: 'Workspaces' }).getByRole('listitem')).toHaveText(['My WorkspaceYou own this workspace · in use now'])
  await look(page, 'home')
})

test('before there is an account, the page says how the first one is made', async ({ open }) => {
  const page = await open()
  await heading(page, 'Sign in')
  await expect(page.getByRole('status').filter({ hasText: 'This server has no account yet.' })).toBeVisible()
  await look(page, 'no-account')
})

test('the link is worth nothing once there is an account, and says so before anything is typed', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open(cloud.setup)
  await expect(page.getByRole('alert').filter({ hasText: 'This server already has its first account' })).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveCount(0)
  await look(page, 'setup-used')
  await press(page, 'Sign in')
  await enter(page, ann)
})

test('a wrong link makes no account; while registration is open, anyone may create an ordinary one', async ({ cloud, open }) => {
  const page = await open(`${cloud.url}/#setup=wrong`)
  await heading(page, 'Create the first account')
  await expect(page.getByRole('alert').filter({ hasText: 'This link is wrong, incomplete or out of date' })).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveCount(0)
  await look(page, 'setup-wrong')

  await press(page, 'Sign in')
  await press(page, 'Create an account')
  await expect(page.getByText('This creates an ordinary account.')).toBeVisible()
  await fill(page, { 'E-mail': bob.email, 'Password': bob.password, 'Password again': bob.password })
  await press(page, 'Create account')
  await heading(page, 'You are signed in')

  const operator = await open(cloud.setup) // it still makes the operator's
  await expect(operator.getByText('This link creates the administrator’s account.')).toBeVisible()
  await fill(operator, { 'E-mail': ann.email, 'Password': ann.password, 'Password again': ann.password })
  await press(operator, 'Create account')
  await heading(operator, 'You are signed in')
})

test('a common password is refused with the reason', async ({ cloud, open, refused }) => {
  refused.add('POST /api/basic-auth/register 400')
  const page = await open(cloud.setup)
  await fill(page, { 'E-mail': ann.email, 'Password': 'password1234', 'Password again': 'password1234' })
  await press(page, 'Create account')
  await expect(page.getByLabel('Password', { exact: true })).toHaveAccessibleDescription(/Too many people use this password\./)
  await expect(page.getByLabel('Password', { exact: true })).toBeFocused()
})

test('another person registers while registration is open', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open()
  await press(page, 'Create an account')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Create an account')
  await fill(page, { 'Name': bob.name!, 'E-mail': bob.email, 'Password': bob.password, 'Password again': bob.password })
  await look(page, 'register')
  await press(page, 'Create account')
  await heading(page, 'You are signed in')
  await expect(page.getByText('Bob (bob@example.org)')).toBeVisible()
})

test.describe('by invitation only', () => {
  test.use({ environment: { OR3_AUTH_REGISTRATION_MODE: 'invite_only' } })

  test('an invitation lets a user join the workspace, once and with the right address', async ({ cloud, open, refused, secrets }) => {
    refused.add('POST /api/basic-auth/register 403')
    await cloud.register(ann)
    const owner = await open()
    await enter(owner, ann) // the workspace is made when its owner first comes
    const link = (await cloud.run('user', 'invite', bob.email)).match(/http:\S+#invite=\S+/)![0]
    secrets.add(link.split('=')[1]!)

    const page = await open()
    await press(page, 'Create an account')
    await expect(page.getByText('You need an invitation to join this server')).toBeVisible()
    await look(page, 'register-closed')

    const invited = await open(link)
    await heading(invited, 'Create an account')
    await expect(invited.getByText('You are invited to the workspace “My Workspace”. The invitation is for bob@example.org.')).toBeVisible()
    await expect(invited.getByLabel('E-mail')).toHaveValue(bob.email)
    expect(invited.url(), 'the token stays in the address bar').toBe(`${cloud.url}/account/`)
    await look(invited, 'register-invited')
    await fill(invited, { 'E-mail': 'carol@example.org', 'Password': bob.password, 'Password again': bob.password })
    await press(invited, 'Create account')
    await expect(invited.getByRole('alert').filter({ hasText: 'This invitation is unknown, used or expired, or it is for another e-mail address.' })).toBeVisible()
    await fill(invited, { 'E-mail': bob.email })
    await press(invited, 'Create account')
    await heading(invited, 'You are signed in')
    await expect(invited.getByRole('list', { name: 'Workspaces' }).getByRole('listitem')).toHaveText(['My WorkspaceYou can read and change everything · in use now'])

    const late = await open(link)
    await heading(late, 'Create an account')
    await expect(late.getByRole('alert').filter({ hasText: 'This invitation was already used.' })).toBeVisible()
    await expect(late.getByLabel('E-mail')).toHaveCount(0)
    await look(late, 'invite-used')
  })

  test('a link as OR3 Chat makes them works, and its token goes nowhere else', async ({ cloud, open, secrets }) => {
    await cloud.register(ann)
    await enter(await open(), ann)
    const link = (await cloud.run('user', 'invite', bob.email)).match(/http:\S+#invite=\S+/)![0]
    const token = link.split('=')[1]!
    secrets.add(token)
    const invited = await open()
    const leaks: string[] = []
    invited.on('request', (request) => {
      const { referer = '' } = request.headers()
      if (referer.includes(token) || (request.url().includes(token) && !request.isNavigationRequest())) leaks.push(request.url())
    })
    await invited.goto(`${cloud.url}/?a=1&invite=${token}`)
    await heading(invited, 'Create an account')
    expect(invited.url()).toBe(`${cloud.url}/?a=1`)
    await fill(invited, { 'Password': bob.password, 'Password again': bob.password })
    await press(invited, 'Create account')
    await heading(invited, 'You are signed in')
    await expect(invited.getByRole('list', { name: 'Workspaces' }).getByRole('listitem')).toHaveText(['My WorkspaceYou can read and change everything · in use now'])
    await invited.goBack()
    await invited.goForward()
    expect(invited.url()).toBe(`${cloud.url}/?a=1`)
    expect(leaks).toEqual([])
  })

  test('an invitation that is not complete says so', async ({ cloud, open, secrets }) => {
    await cloud.register(ann)
    await enter(await open(), ann)
    const link = (await cloud.run('user', 'invite', bob.email)).match(/http:\S+#invite=\S+/)![0]
    secrets.add(link.split('=')[1]!)
    const half = await open(link.slice(0, -5))
    await expect(half.getByRole('alert').filter({ hasText: 'This server does not know this invitation' })).toBeVisible()
    await expect(half.getByLabel('E-mail')).toHaveCount(0)
  })
})

test.describe('without registration', () => {
  test.use({ environment: { OR3_AUTH_REGISTRATION_MODE: 'disabled' } })

  test('nothing is offered to newcomers', async ({ cloud, open }) => {
    await cloud.run('user', 'list')
    const page = await open()
    await heading(page, 'Sign in')
    await expect(page.getByRole('button', { name: 'Forgot your password?' })).toBeVisible()
    await expect(page.getByRole('button', { name: 'Create an account' })).toHaveCount(0)
  })
})
