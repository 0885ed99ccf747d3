import { ann, bob, expect, fill, look, press, test } from '../lib/test.ts'

test('the one-time link creates the first account', async ({ cloud, open }) => {
  const page = await open(cloud.setup)
  await expect(page.getByRole('heading', { level: 1, name: 'Create the first account' })).toBeVisible()
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
  await expect(page.getByRole('heading', { level: 1, name: 'You are signed in' })).toBeFocused()
  await expect(page.getByText('Your account is ready.')).toBeVisible()
  await expect(page.getByText('Ann (ann@example.org)')).toBeVisible()
  await expect(page.getByText(cloud.url, { exact: true })).toBeVisible()
  await expect(page.getByRole('list', { name: 'Workspaces' }).getByRole('listitem')).toHaveText(['My Workspaceowner, active'])
  await look(page, 'home')
})
