import { ann, enter, expect, fill, heading, look, manage, press, section, signIn, test, type Page } from '../lib/test.ts'

const changed = { ...ann, password: 'nine white boats on the lake' }

async function choose(page: Page, password: string) {
  await fill(page, { 'New password': password, 'Password again': password })
  await press(page, 'Save the password')
}

test.describe('with a mail server', () => {
  test.use({ mail: true })

  test('a forgotten password is replaced through a link in a mail', async ({ cloud, mailbox, open, refused, secrets }) => {
    refused.add('POST /api/basic-auth/sign-in 401')
    secrets.add(changed.password)
    await cloud.register(ann)
    const page = await open()
    await press(page, 'Forgot your password?')
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Forgotten password')
    await look(page, 'forgot')
    await fill(page, { 'E-mail': 'unknown@example.org' })
    await press(page, 'Send the link')
    await expect(page.getByText('If there is an account with unknown@example.org, a link is on its way.')).toBeVisible()
    await fill(page, { 'E-mail': ann.email })
    await press(page, 'Send the link')
    await expect(page.getByText(`If there is an account with ${ann.email}, a link is on its way.`)).toBeVisible()
    await look(page, 'forgot-sent')
    const link = await mailbox.link(ann.email, 'reset')
    secrets.add(link.split('=')[1]!)
    expect(mailbox.mails.filter(({ to }) => to.includes('unknown@example.org'))).toEqual([])

    const other = await open(link) // the mail is read on another device
    await heading(other, 'Choose a new password')
    expect(other.url()).toBe(`${cloud.url}/account/`)
    await look(other, 'reset')
    await choose(other, changed.password)
    await expect(other.getByText('The new password is saved. Sign in with it.')).toBeVisible()
    await signIn(other, ann)
    await expect(other.getByRole('alert').filter({ hasText: 'Wrong e-mail or password.' })).toBeVisible()
    await enter(other, changed)

    const again = await open(link)
    await expect(again.getByLabel('New password')).toHaveCount(0)
    await expect(again.getByRole('alert').filter({ hasText: 'This link has expired or was already used.' })).toBeVisible()
    await look(again, 'reset-dead')
    await press(again, 'Ask for a new link')
    await expect(again.getByRole('heading', { level: 1 })).toHaveText('Forgotten password')
  })
})

test('without a mail server the operator makes the link', async ({ cloud, open, secrets }) => {
  secrets.add(changed.password)
  await cloud.register(ann)
  const page = await open()
  await press(page, 'Forgot your password?')
  await expect(page.getByText('Ask your administrator')).toBeVisible()
  await look(page, 'forgot-no-mail')

  const link = (await cloud.run('user', 'reset-link', ann.email)).match(/http:\S+#reset=\S+/)![0]
  secrets.add(link.split('=')[1]!)
  const other = await open(link)
  await choose(other, changed.password)
  await expect(other.getByText('The new password is saved. Sign in with it.')).toBeVisible()
  await enter(other, changed)
})

test('a changed password signs every other browser out, and keeps this one', async ({ cloud, open, refused, secrets }) => {
  refused.add('POST /api/basic-auth/change-password 401').add('POST /api/basic-auth/sign-in 401')
  secrets.add(changed.password)
  await cloud.register(ann)
  const other = await open()
  await enter(other, ann)
  const page = await open()
  await enter(page, ann)

  await manage(page, 'Security')
  const part = section(page, 'Password')
  await press(part, 'Change password')
  await fill(part, { 'Current password': 'not the password', 'New password': changed.password, 'Password again': changed.password })
  await press(part, 'Save')
  await expect(part.getByLabel('Current password', { exact: true })).toHaveAccessibleDescription(/This is not your current password\./)
  await look(page, 'change-password')
  await fill(part, { 'Current password': ann.password })
  await press(part, 'Save')
  await expect(part.getByText('Password changed. All other devices are signed out.')).toBeVisible()

  await other.reload()
  await heading(other, 'Sign in')
  await signIn(other, ann)
  await expect(other.getByRole('alert').filter({ hasText: 'Wrong e-mail or password.' })).toBeVisible()
  await page.reload()
  await heading(page, 'You are signed in')
  await enter(other, changed)
})
