import { ann, enter, expect, fill, heading, look, manage, press, section, test } from '../lib/test.ts'

test('devices are listed, this one first, and signed out one by one or all at once', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open(), second = await open(), third = await open()
  for (const each of [second, third, page]) await enter(each, ann)
  await manage(page, 'Security')
  const part = section(page, 'Active devices')
  const devices = part.getByRole('list', { name: 'Active devices' }).getByRole('listitem')
  await expect(devices).toHaveCount(4) // the account was created by another program
  await expect(devices.first()).toContainText('Chrome on Linux')
  await expect(devices.first()).toContainText('This device')
  await expect(devices.first().getByRole('button')).toHaveCount(0)
  await part.scrollIntoViewIfNeeded()
  await look(page, 'devices')

  await devices.nth(1).getByRole('button', { name: /^Sign out/ }).click() // the one used last: the third browser
  await expect(part.getByText('Chrome on Linux is signed out.')).toBeVisible()
  await expect(devices).toHaveCount(3)
  await third.reload()
  await heading(third, 'Sign in')
  await second.reload()
  await heading(second, 'You are signed in')

  await press(part, 'Sign out all other devices')
  await expect(part.getByText('2 other devices are signed out.')).toBeVisible()
  await expect(devices).toHaveCount(1)
  await second.reload()
  await heading(second, 'Sign in')
  await page.reload()
  await heading(page, 'You are signed in')
})

test('the owner sees what has happened to the account, the newest first', async ({ cloud, open, secrets }) => {
  await cloud.register(ann)
  for (let links = 0; links < 3; links++) await cloud.run('user', 'reset-link', ann.email)
  const page = await open()
  await enter(page, ann)
  await manage(page, 'Security')
  const part = section(page, 'Recent activity')
  const events = part.getByRole('list', { name: 'Recent activity' }).getByRole('listitem')
  await expect(part.getByText('change your password and sign out all other devices')).toBeVisible()
  await expect(events).toContainText(['Signed in', ...Array<string>(3).fill('Link for a new password requested'), 'Account created'])
  await expect(events.first()).toContainText(/ · Chrome on Linux · 127\.0\.0\.1$/)
  await expect(events.nth(1)).toContainText(/ · by whoever runs the server$/)
  await expect(events.last()).toContainText(/ · Unknown device · 127\.0\.0\.1$/) // another program
  await expect(part.getByRole('button')).toHaveCount(0)

  const next = 'eleven quiet boats at noon'
  secrets.add(next)
  await press(section(page, 'Password'), 'Change password')
  await fill(section(page, 'Password'), { 'Current password': ann.password, 'New password': next, 'Password again': next })
  await press(section(page, 'Password'), 'Save')
  await expect(events.first()).toContainText('Password changed')
  await expect(events).toHaveCount(5)
  await press(part, 'Show all 6')
  await expect(events).toHaveCount(6)
  await look(page, 'activity')
})

test('who signs out in one tab is signed out in the others', async ({ cloud, open }) => {
  await cloud.register(ann)
  const page = await open()
  await enter(page, ann)
  const tab = await page.context().newPage()
  await tab.goto(cloud.url)
  await heading(tab, 'You are signed in')
  await press(page, 'Sign out')
  await heading(page, 'Sign in')
  await expect(tab.getByRole('dialog', { name: 'Sign in' })).toBeVisible()
})
