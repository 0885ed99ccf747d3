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
  await expect(page.getByLabel('Password again')).toHaveAccessibleDescription(/The two passwords differ\./)
  await look(page, 'setup-faults')

  await page.getByLabel('Password again').fill(ann.password)
  await page.getByLabel('Password again').press('Enter')
  await heading(page, 'You are signed in')
  await expect(page.getByRole('status').filter({ hasText: 'Your account is ready.' })).toBeVisible()
  await expect(page.getByText('Ann (ann@example.org)')).toBeVisible()
  await expect(page.getByText(cloud.url, { exact: true })).toBeVisible()
  await expect(page.getByRole('list', { name: 'Workspaces' }).getByRole('listitem')).toHaveText(['My Workspaceowner, active'])
  await look(page, 'home')
})

test('before there is an account, the page says how the first one is made', async ({ open }) => {
  const page = await open()
  await heading(page, 'Sign in')
  await expect(page.getByRole('status').filter({ hasText: 'This server has no account yet.' })).toBeVisible()
  await look(page, 'no-account')
})

test('the link is worth nothing once there is an account', async ({ cloud, open, refused }) => {
  refused.add('POST /api/basic-auth/register 401')
  await cloud.register(ann)
  const page = await open(cloud.setup)
  await fill(page, { 'E-mail': ann.email, 'Password': ann.password, 'Password again': ann.password })
  await press(page, 'Create account')
  await expect(page.getByLabel('E-mail')).toHaveAccessibleDescription(/There is already an account with this e-mail address\./)
})

test('a password that everybody would try is refused in words', async ({ cloud, open, refused }) => {
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

  test('somebody with an invitation joins the workspace, once and with the right address', async ({ cloud, open, refused, secrets }) => {
    refused.add('POST /api/basic-auth/register 403')
    await cloud.register(ann)
    const owner = await open()
    await enter(owner, ann) // the workspace is made when its owner first comes
    const link = (await cloud.run('user', 'invite', bob.email)).match(/http:\S+invite=\S+/)![0]
    secrets.add(link.split('=')[1]!)

    const page = await open()
    await press(page, 'Create an account')
    await expect(page.getByText('This server needs an invitation')).toBeVisible()
    await look(page, 'register-closed')

    const invited = await open(link)
    await heading(invited, 'Create an account')
    await expect(invited.getByText('You are invited.')).toBeVisible()
    await look(invited, 'register-invited')
    await fill(invited, { 'E-mail': 'carol@example.org', 'Password': bob.password, 'Password again': bob.password })
    await press(invited, 'Create account')
    await expect(invited.getByRole('alert').filter({ hasText: 'This invitation is unknown, used or has run out, or it is for another e-mail address.' })).toBeVisible()
    await fill(invited, { 'E-mail': bob.email })
    await press(invited, 'Create account')
    await heading(invited, 'You are signed in')
    await expect(invited.getByRole('list', { name: 'Workspaces' }).getByRole('listitem')).toHaveText(['My Workspaceeditor, active'])

    const late = await open(link.replace('#invite=', '?invite=')) // as OR3 Chat makes them
    await heading(late, 'Create an account')
    await fill(late, { 'E-mail': bob.email, 'Password': bob.password, 'Password again': bob.password })
    await press(late, 'Create account')
    await expect(late.getByText('This invitation is unknown, used or has run out')).toBeVisible()
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
