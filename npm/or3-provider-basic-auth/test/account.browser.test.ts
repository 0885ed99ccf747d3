import { afterEach, expect, it, onTestFinished, vi } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { alert, button, devices, events, field, inServer, openAccount, openSecurity, section } from './accounts'
import { unmountAll } from './mount'
import { details, refusal, signedOut } from './server'
import { changePassword, codes, laptop, openStepUp } from './states'

afterEach(unmountAll)

it('moves between its tabs with the arrow keys', async () => {
  await openAccount()
  await page.getByRole('tab', { name: 'Account' }).click()
  await userEvent.keyboard('{ArrowRight}')
  await expect.element(page.getByRole('tab', { name: 'Security' })).toHaveAttribute('aria-selected', 'true')
  await expect.element(page.getByRole('heading', { name: 'Active devices' })).toBeVisible()
})

it('asks for a proof and goes on with the change by itself', async () => {
  const server = await openStepUp(['password'], own => own.on('reauthenticate', {}))
  await userEvent.keyboard('my sentence{Enter}')
  await expect.element(page.getByText('E-mail address changed.')).toBeVisible()
  expect(server.last('reauthenticate')).toEqual({ password: 'my sentence' })
  expect(server.count('email')).toBe(2)
  await expect.element(button('Change e-mail address')).toHaveFocus()
})

it('proves by passkey', async () => {
  const server = await openStepUp(['passkey'], own => own.on('reauthenticate', {}).on('passkeys/sign-in-options', { body: { challenge: 'c', publicKey: {} } }))
  await button('Use a passkey').click()
  await expect.element(page.getByText('E-mail address changed.')).toBeVisible()
  expect(server.last('reauthenticate')).toEqual({ challenge: 'c', credential: { id: 'credential' } })
})

it('keeps what was typed when a proof is refused to be given, and shows no error', async () => {
  const server = await openStepUp(['password'])
  await userEvent.keyboard('{Escape}')
  await expect.element(page.getByRole('dialog', { name: 'Confirm that it is you' })).not.toBeInTheDocument()
  await expect.element(field('New e-mail address')).toHaveValue('new@example.org')
  await expect.element(button('Save')).not.toHaveAttribute('aria-busy')
  expect(server.count('email')).toBe(1)
})

it('changes the password, keeps this session, and tells password managers whose it is', async () => {
  const server = inServer().on('change-password', {})
  await openAccount(server, 'password')
  await expect.element(field('Current password')).toHaveFocus()
  expect(document.querySelector('form input[autocomplete="username"]')).toHaveProperty('value', 'ann@example.org')
  await changePassword()
  await expect.element(page.getByText('Password changed.')).toBeVisible()
  await expect.element(button('Change password')).toHaveFocus()
  expect(server.last('change-password')).toEqual({
    currentPassword: 'my old sentence', newPassword: 'my new sentence', confirmNewPassword: 'my new sentence', keepSession: true,
  })
})

it('closes when the session is over', async () => {
  const server = inServer().on('display-name', refusal(401, 'session_expired'))
  const { emitted } = await openAccount(server)
  await button('Change name').click()
  server.on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
  await button('Save').click()
  await expect.poll(() => emitted).toContainEqual(['update:open', false])
})

it('switches two-step verification on, shows the codes once, and copies them', async () => {
  const written = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue()
  const server = inServer()
    .on('totp/enrol', { body: { secret: 'JBSWY3DPEHPK3PXP', uri: 'otpauth://totp/x?secret=JBSWY3DPEHPK3PXP' } })
    .on('totp/confirm', { body: { ok: true, recoveryCodes: codes } })
  await openSecurity(server)
  await button('Set up').click()
  await button('Copy key').click()
  expect(written).toHaveBeenLastCalledWith('JBSWY3DPEHPK3PXP')
  server.on('account', { body: { ...details, totp: { enabled: true }, recoveryCodesLeft: 10 } })
  await field('Code').fill('123 456')
  await userEvent.keyboard('{Enter}')
  await expect.element(page.getByText(codes[9]!)).toBeVisible()
  expect(server.last('totp/confirm')).toEqual({ code: '123456' })
  await button('Copy codes').click()
  expect(written).toHaveBeenLastCalledWith(codes.join('\n'))
  await expect.element(page.getByText('Copied.').last()).toBeVisible()
  await button('I have saved them').click()
  await expect.element(page.getByText(codes[9]!)).not.toBeInTheDocument()
  await expect.element(button('Make new codes')).toHaveFocus()
  written.mockRestore()
})

it('selects the codes where copying is not allowed', async () => {
  const forbidden = vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new DOMException('no', 'NotAllowedError'))
  const server = inServer({ totp: { enabled: true }, recoveryCodesLeft: 1 }).on('recovery-codes', { body: { recoveryCodes: codes } })
  await openSecurity(server)
  await button('Make new codes').click()
  await section('Recovery codes').getByRole('button', { name: 'Make new codes' }).click()
  await button('Copy codes').click()
  await expect.element(page.getByText('Your browser does not allow copying here.')).toBeVisible()
  expect(getSelection()?.toString()).toContain(codes[0])
  forbidden.mockRestore()
})

it('downloads and prints the codes', async () => {
  const server = inServer({ totp: { enabled: true }, recoveryCodesLeft: 1 }).on('recovery-codes', { body: { recoveryCodes: codes } })
  await openSecurity(server)
  await button('Make new codes').click()
  await section('Recovery codes').getByRole('button', { name: 'Make new codes' }).click()

  let saved: Blob | undefined
  const create = vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => {
    saved = blob as Blob
    return 'blob:codes'
  })
  const click = vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(() => {})
  await button('Download codes').click()
  expect(await saved!.text()).toContain(codes.join('\n'))
  expect(await saved!.text()).toContain('ann@example.org')

  let printed = ''
  const print = vi.spyOn(window, 'print').mockImplementation(() => {
    printed = document.querySelector('.or3-print')?.textContent ?? ''
  })
  await button('Print codes').click()
  await expect.poll(() => printed).toContain(codes[0])
  await expect.poll(() => document.querySelector('.or3-print')).toBeNull()
  for (const mock of [create, click, print]) mock.mockRestore()
})

it('adds, renames and removes passkeys', async () => {
  const server = inServer()
    .on('passkeys/register-options', { body: { challenge: 'c', publicKey: {} } })
    .on('passkeys/register', { body: { ok: true, passkey: laptop, recoveryCodes: codes } })
    .on('passkeys/rename', {})
    .on('passkeys/remove', {})
  await openSecurity(server)
  await button('Add a passkey').click()
  await field('Name of the passkey').fill('Laptop')
  server.on('account', { body: { ...details, passkeys: [laptop], recoveryCodesLeft: 10 } })
  await userEvent.keyboard('{Enter}')
  await expect.element(page.getByText(codes[0]!)).toBeVisible()
  expect(server.last('passkeys/register')).toEqual({ challenge: 'c', name: 'Laptop', credential: { id: 'credential' } })
  await expect.element(page.getByText('Passkey Laptop added.')).toBeVisible()

  await button('Rename Laptop').click()
  await field('Name of the passkey').fill('Work laptop')
  await userEvent.keyboard('{Enter}')
  await expect.element(page.getByText('Passkey renamed.')).toBeVisible()
  expect(server.last('passkeys/rename')).toEqual({ id: 'p1', name: 'Work laptop' })

  await button('Remove Laptop').click()
  await expect.element(button('Remove')).toHaveFocus()
  server.on('account', { body: details })
  await userEvent.keyboard('{Enter}')
  await expect.element(page.getByText('Passkey Laptop removed.')).toBeVisible()
  expect(server.last('passkeys/remove')).toEqual({ id: 'p1' })
})

it('signs out one device, or all others', async () => {
  const server = inServer()
    .on('sessions', { body: { sessions: devices } })
    .on('sessions/revoke', {})
    .on('sessions/revoke-others', { body: { ok: true, revoked: 1 } })
  await openSecurity(server)
  await button('Sign out Safari on iPhone').click()
  await expect.element(page.getByText('Safari on iPhone is signed out.')).toBeVisible()
  expect(server.last('sessions/revoke')).toEqual({ id: 's2' })
  server.on('sessions', { body: { sessions: devices.slice(0, 1) } })
  await button('Sign out all other devices').click()
  await expect.element(page.getByText('1 other device is signed out.')).toBeVisible()
  await expect.element(page.getByText('You are signed in on this device only.')).toBeVisible()
})

it('tells what has happened, when, where and on which device, and what to do about it', async () => {
  await openSecurity()
  const part = section('Recent activity')
  const rows = part.getByRole('listitem')
  await expect.element(part.getByText('change your password and sign out all other devices')).toBeVisible()
  await expect.element(rows.first()).toHaveTextContent(/^Moon landing booked.*2026.* · Edge on Windows · 2001:db8:85a3:8d3:1319:8a2e:370:7348$/)
  await expect.element(rows.nth(1)).toHaveTextContent(/^Authenticator app, passkeys and recovery codes removed.*2026.* · by an administrator$/)
  await expect.element(rows.nth(2)).toHaveTextContent(/^Failed sign-in.*2026.* · Unknown device · 198\.51\.100\.4$/)
  expect(rows.elements()).toHaveLength(5)
  expect(rows.nth(1).element().querySelector('time')?.dateTime).toBe('2026-11-23T10:00:00Z')

  await button('Show all 6').click()
  expect(rows.elements()).toHaveLength(6)
  await expect.element(button('Show fewer')).toHaveFocus()
  await button('Show fewer').click()
  expect(rows.elements()).toHaveLength(5)
})

it('looks at the activity again when that has failed', async () => {
  const server = inServer().on('events', refusal(503, 'unavailable'), { body: { events } })
  await openSecurity(server)
  await button('Try again').click()
  await expect.element(page.getByText('Moon landing booked')).toBeVisible()
  await expect.element(button('Try again')).not.toBeInTheDocument()
})

it('follows what happens to the devices elsewhere', async () => {
  const server = inServer()
  await openSecurity(server)
  await expect.element(page.getByText('Safari on iPhone')).toBeVisible()
  const tablet = { ...devices[1]!, id: 's3', device: { browser: 'Chrome', system: 'Android', kind: 'tablet' } }
  server.on('sessions', { body: { sessions: [devices[0], tablet] } })
    .on('events', { body: { events: [{ kind: 'session_revoked', at: '2026-11-24T11:00:00Z' }, ...events] } })
  dispatchEvent(new Event('focus'))
  await expect.element(page.getByText('Chrome on Android')).toBeVisible()
  await expect.element(page.getByText('Safari on iPhone')).not.toBeInTheDocument()
  await expect.element(section('Recent activity').getByRole('listitem').first()).toHaveTextContent('One or more devices signed out')

  // What cannot be looked at now stays as it was, without a word.
  server.on('sessions', refusal(503, 'unavailable'))
  const asked = server.count('sessions')
  dispatchEvent(new Event('focus'))
  await expect.poll(() => server.count('sessions')).toBeGreaterThan(asked)
  await expect.element(page.getByText('Chrome on Android')).toBeVisible()
  await expect.element(alert()).not.toBeInTheDocument()
})

it('looks for it every now and then, and no more once it is closed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const server = inServer()
  await openSecurity(server)
  await expect.element(page.getByText('Safari on iPhone')).toBeVisible()
  const asked = server.count('sessions')
  vi.advanceTimersByTime(15_000)
  await expect.poll(() => server.count('sessions')).toBe(asked + 1)
  unmountAll()
  vi.advanceTimersByTime(60_000)
  expect(server.count('sessions')).toBe(asked + 1)
})

it('says before an account is deleted what of it is on this device alone', async () => {
  await openAccount(inServer(), 'account', { unsentChanges: () => ({ waiting: 2, failed: 0, cleared: 0 }) })
  await button('Delete account').click()
  await expect.element(page.getByText('2 changes made on this device are not on the server and cannot be sent once it is deleted.')).toBeVisible()
})

it('looks at devices and activity again after a new password', async () => {
  const server = inServer().on('change-password', {})
  await openAccount(server, 'password')
  await expect.element(page.getByText('Moon landing booked')).toBeVisible()
  server.on('sessions', { body: { sessions: devices.slice(0, 1) } })
    .on('events', { body: { events: [{ kind: 'password_changed', at: '2026-11-24T11:00:00Z' }, ...events] } })
  await changePassword()
  await expect.element(section('Recent activity').getByRole('listitem').first()).toHaveTextContent('Password changed')
  await expect.element(page.getByText('You are signed in on this device only.')).toBeVisible()
})

it('deletes the account after the address was typed, and signs out', async () => {
  const server = inServer().on('delete-account', {})
  const { account, emitted } = await openAccount(server)
  await button('Delete account').click()
  await field('Type ann@example.org to confirm').fill('Ann@Example.org')
  server.on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
  await userEvent.keyboard('{Enter}')
  await expect.poll(() => account.session.state.value.status).toBe('signedOut')
  expect(server.last('delete-account')).toEqual({ email: 'Ann@Example.org' })
  await expect.poll(() => emitted).toContainEqual(['update:open', false])
})

it('hides what the server does not offer', async () => {
  await openSecurity(inServer().on('config', { status: 404 }))
  await expect.element(section('Passkeys')).not.toBeInTheDocument()
  await expect.element(section('Recovery codes')).not.toBeInTheDocument()
})
