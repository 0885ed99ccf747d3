import { afterEach, expect, it, vi } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import AuthButton from '../src/runtime/account/components/AuthButton.vue'
import LockPage from '../src/runtime/account/components/LockPage.vue'
import SignedIn from '../src/runtime/account/components/SignedIn.vue'
import SignedOut from '../src/runtime/account/components/SignedOut.vue'
import { createApp, h } from 'vue'
import { alert, button, field, follow, inServer, openSignIn, outServer, signIn } from './accounts'
import { Or3Error } from '../src/runtime/account'
import { mount, testPasskeys, unmountAll } from './mount'
import { codes, openFactor, register } from './states'
import { config, never, refusal, signedIn, signedOut } from './server'

afterEach(unmountAll)

it('signs in by keyboard alone, and tells the host and other tabs', async () => {
  const heard = vi.fn()
  addEventListener('or3:auth-session-changed', heard)
  const server = outServer().on('config', { body: { ...config, passkeys: false } })
  mount(AuthButton, server)
  await expect.element(button('Sign in')).toBeVisible()
  await userEvent.keyboard('{Tab}')
  await expect.element(button('Sign in')).toHaveFocus()
  await userEvent.keyboard('{Enter}')
  await expect.element(field('E-mail')).toHaveFocus()
  server.on('sign-in', {}).on('/api/auth/session', signedIn)
  await userEvent.keyboard('ann@example.org{Tab}a long sentence{Enter}')

  await expect.element(button('Account: Ann Lee')).toHaveFocus()
  expect(server.last('sign-in')).toEqual({ email: 'ann@example.org', password: 'a long sentence' })
  expect(heard).toHaveBeenCalledTimes(1)
  expect(localStorage.getItem('or3:auth-session-changed')).not.toBeNull()
  removeEventListener('or3:auth-session-changed', heard)
})

it('gives the focus back to the button when the dialog is closed', async () => {
  await openSignIn()
  await userEvent.keyboard('{Escape}')
  await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
  await expect.element(button('Sign in')).toHaveFocus()
})

it('names its fields as password managers expect', async () => {
  await openSignIn()
  await expect.element(field('E-mail')).toHaveAttribute('autocomplete', 'username webauthn')
  await expect.element(field('Password')).toHaveAttribute('autocomplete', 'current-password')
  await button('Create an account').click()
  await expect.element(page.getByLabelText('Name')).toHaveAttribute('autocomplete', 'name')
  await expect.element(field('E-mail')).toHaveAttribute('autocomplete', 'username')
  await expect.element(field('Password')).toHaveAttribute('autocomplete', 'new-password')
  await expect.element(field('Password again')).toHaveAttribute('autocomplete', 'new-password')
})

it('keeps the address when the password is wrong and on the way to the other forms', async () => {
  await openSignIn(outServer().refuse('sign-in', 401, 'invalid_credentials'))
  await signIn()
  await expect.element(alert()).toBeVisible()
  await expect.element(field('E-mail')).toHaveValue('ann@example.org')
  await button('Forgot your password?').click()
  await expect.element(field('E-mail')).toHaveValue('ann@example.org')
  await button('Back to sign-in').click()
  await expect.element(field('E-mail')).toHaveValue('ann@example.org')
})

it('shows and hides the password', async () => {
  await openSignIn()
  await button('Show password').click()
  await expect.element(field('Password')).toHaveAttribute('type', 'text')
  await button('Hide password').click()
  await expect.element(field('Password')).toHaveAttribute('type', 'password')
})

it('sends a form once, however often it is submitted', async () => {
  const server = outServer().on('sign-in', never)
  await openSignIn(server)
  await signIn()
  await userEvent.keyboard('{Enter}{Enter}')
  expect(server.count('sign-in')).toBe(1)
})

it('allows no attempt before a limit is over', async () => {
  const server = outServer().on('sign-in', refusal(429, 'rate_limited', {}, { 'Retry-After': '1' }), refusal(401, 'invalid_credentials'))
  await openSignIn(server)
  await signIn()
  await expect.element(alert()).toHaveTextContent('Wait 1 second')
  await userEvent.keyboard('{Enter}')
  expect(server.count('sign-in')).toBe(1)
  await expect.element(alert()).not.toBeInTheDocument()
  await userEvent.keyboard('{Enter}')
  await expect.element(alert()).toHaveTextContent('Wrong e-mail or password.')
})

it('does not call a user signed in whom the host does not know', async () => {
  await openSignIn(outServer().on('sign-in', {}).on('/api/auth/session', signedOut, refusal(503, 'unavailable')))
  await signIn()
  await expect.element(alert()).toHaveTextContent('The server has a problem.')
})

it('submits a complete code by itself and goes on', async () => {
  let server!: ReturnType<typeof outServer>
  await openFactor(['totp', 'recovery_code'], (own) => {
    server = own.on('second-factor', {})
    return own
  })
  server.on('/api/auth/session', signedIn)
  await userEvent.keyboard('123 456')
  await expect.element(button('Account: Ann Lee')).toHaveFocus()
  expect(server.last('second-factor')).toEqual({ challenge: 'c1', code: '123456' })
})

it('says how many tries are left until the next code is sent, whatever is pressed', async () => {
  let server!: ReturnType<typeof outServer>
  await openFactor(['totp', 'recovery_code'], (own) => {
    server = own.on('second-factor', refusal(401, 'invalid_code', { attemptsLeft: 3 }), refusal(401, 'invalid_code', { attemptsLeft: 2 }))
    return own
  })
  await userEvent.keyboard('123456{Enter}')
  await expect.element(field('Code')).toHaveAccessibleDescription(/wrong or already used\. 3 attempts left\./)
  await userEvent.keyboard('{Enter}{Enter}')
  await expect.element(field('Code')).toHaveAccessibleDescription(/wrong or already used\. 3 attempts left\./)
  await expect.element(page.getByText('Code is missing.')).not.toBeInTheDocument()
  await userEvent.keyboard('1{Backspace}{Enter}')
  await expect.element(field('Code')).toHaveAccessibleDescription(/Code is missing\. 3 attempts left\./)
  expect(server.count('second-factor')).toBe(1)

  await button('Use a recovery code').click()
  await expect.element(alert()).toHaveTextContent('3 attempts left.')
  await userEvent.keyboard('wrong{Enter}')
  await expect.element(field('Recovery code')).toHaveAccessibleDescription(/2 attempts left\./)
  await userEvent.keyboard('{Enter}')
  await expect.element(field('Recovery code')).toHaveAccessibleDescription(/2 attempts left\./)
  expect(server.count('second-factor')).toBe(2)
})

it('keeps the code that is typed while the one before is refused', async () => {
  let refuse!: () => void
  await openFactor(['totp'], own => own.on('second-factor', () => new Promise(resolve => refuse = () => resolve(refusal(401, 'invalid_code', { attemptsLeft: 4 })))))
  await userEvent.keyboard('123456')
  await expect.element(button('Continue')).toHaveAttribute('aria-busy', 'true')
  await field('Code').fill('6543')
  refuse()
  await expect.element(field('Code')).toHaveAccessibleDescription(/4 attempts left\./)
  await expect.element(field('Code')).toHaveValue('6543')
})

it('finds a fault of its own again once something is typed', async () => {
  const server = outServer().refuse('register', 409, 'email_taken')
  follow('setup=first-token')
  mount(AuthButton, server)
  await expect.element(page.getByRole('dialog', { name: 'Create the first account' })).toBeVisible()
  await register()
  await expect.element(field('E-mail')).toHaveAccessibleDescription(/already an account/)
  await field('E-mail').fill('')
  await userEvent.keyboard('{Enter}')
  await expect.element(field('E-mail')).toHaveAccessibleDescription(/E-mail is missing/)
})

it('asks about a link once, and sends its form where the server says nothing of it', async () => {
  follow('invite=token')
  const server = outServer().refuse('link', 503, 'unavailable').on('register', {})
  mount(AuthButton, server)
  await expect.element(field('E-mail')).toBeVisible()
  expect(server.last('link')).toEqual({ kind: 'invite', token: 'token' })
  expect(server.count('link')).toBe(1)
  server.on('/api/auth/session', signedIn)
  await register()
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  expect(server.last('register')).toHaveProperty('inviteToken', 'token')
})

it('gives the focus to the form when the link has been looked at', async () => {
  let answer: (() => void) | undefined
  follow('invite=token')
  mount(LockPage, outServer().on('link', () => new Promise(resolve => answer = () => resolve({ body: { state: 'valid', email: 'new@example.org' } }))), {}, {}, 'div')
  await expect.element(page.getByText('Checking your link…')).toBeVisible()
  await expect.poll(() => answer).toBeDefined()
  answer!()
  await expect.element(page.getByLabelText('Name')).toHaveFocus()
  await expect.element(field('E-mail')).toHaveValue('new@example.org')
})

it('leaves a link behind that is worth nothing', async () => {
  follow('setup=old-token')
  const server = outServer().on('link', { body: { state: 'used' } }).on('register', {})
  mount(AuthButton, server)
  await expect.element(alert()).toHaveTextContent('This server already has its first account')
  await page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true }).click()
  await button('Create an account').click()
  server.on('/api/auth/session', signedIn)
  await register()
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  expect(server.last('register')).not.toHaveProperty('inviteToken')
})

it('takes a recovery code instead', async () => {
  let server!: ReturnType<typeof outServer>
  await openFactor(['totp', 'recovery_code'], (own) => {
    server = own.on('second-factor', {})
    return own
  })
  await button('Use a recovery code').click()
  server.on('/api/auth/session', signedIn)
  await userEvent.keyboard(`${codes[0]}{Enter}`)
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  expect(server.last('second-factor')).toEqual({ challenge: 'c1', recoveryCode: codes[0] })
})

it('takes a passkey as the second step', async () => {
  let server!: ReturnType<typeof outServer>
  await openFactor(['passkey'], (own) => {
    server = own.on('second-factor', {})
    return own
  })
  server.on('/api/auth/session', signedIn)
  await button('Use a passkey').click()
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  expect(server.last('second-factor')).toEqual({ challenge: 'c1', credential: { id: 'credential' } })
})

it('offers passkeys in the address field, and ends that when the dialog closes', async () => {
  const asked = vi.fn()
  const abort = vi.fn()
  await openSignIn(outServer().on('passkeys/sign-in-options', { body: { challenge: 'c', publicKey: { rpId: 'x' } } }), {
    passkeys: testPasskeys({
      autofillSupported: async () => true,
      get: (publicKey, autofill) => {
        asked(publicKey, autofill)
        return never()
      },
      abort,
    }),
  })
  await expect.poll(() => asked).toHaveBeenCalledWith({ rpId: 'x' }, true)
  await userEvent.keyboard('{Escape}')
  await expect.poll(() => abort).toHaveBeenCalled()
})

it('offers passkeys in the address field again after the button was cancelled, and after a request that ran out', async () => {
  const fields: { fail: (error: Error) => void, pass: (credential: never) => void }[] = []
  const server = outServer().on('passkeys/sign-in-options', { body: { challenge: 'c', publicKey: {} } }).refuse('passkeys/sign-in', 400, 'invalid_token')
  await openSignIn(server, {
    passkeys: testPasskeys({
      autofillSupported: async () => true,
      get: (_publicKey, autofill) => autofill
        ? new Promise((pass, fail) => fields.push({ pass, fail }))
        : Promise.reject(new Or3Error('cancelled')),
    }),
  })
  await expect.poll(() => fields).toHaveLength(1)
  await button('Sign in with a passkey').click()
  fields[0]!.fail(new Or3Error('cancelled'))
  await expect.poll(() => fields).toHaveLength(2)
  await expect.element(alert()).not.toBeInTheDocument()
  fields[1]!.pass({ id: 'credential' } as never)
  await expect.element(alert()).toHaveTextContent('This has expired')
  await expect.poll(() => fields).toHaveLength(3)
})

it('starts no passkey ceremony when the dialog was closed meanwhile', async () => {
  const get = vi.fn(never)
  let give!: () => void
  const server = outServer().on('passkeys/sign-in-options', () => new Promise(resolve => give = () => resolve({ body: { challenge: 'c', publicKey: {} } })))
  await openSignIn(server, { passkeys: testPasskeys({ autofillSupported: async () => true, get }) })
  await expect.poll(() => server.count('passkeys/sign-in-options')).toBe(1)
  await userEvent.keyboard('{Escape}')
  await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
  give()
  await expect.element(button('Sign in')).toHaveFocus()
  expect(get).not.toHaveBeenCalled()
})

it('registers with the token of the link, which leaves the address bar at once', async () => {
  follow('setup=first-token')
  const server = outServer().on('register', {})
  mount(AuthButton, server)
  expect(location.hash).toBe('')
  await expect.element(page.getByRole('dialog', { name: 'Create the first account' })).toBeVisible()
  server.on('/api/auth/session', signedIn)
  await register()
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  expect(server.last('register')).toEqual({
    email: 'new@example.org', password: 'a long sentence', confirmPassword: 'a long sentence', inviteToken: 'first-token',
  })
})

it('says nothing about an invitation to a signed-in user', async () => {
  follow('invite=token')
  mount(AuthButton, inServer())
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
})

it('saves a new password from the link and leads to sign-in', async () => {
  follow('reset=token')
  const server = outServer().on('reset-password', {})
  mount(AuthButton, server)
  await expect.element(field('New password')).toHaveFocus()
  await userEvent.keyboard('a new long sentence{Tab}{Tab}a new long sentence{Enter}')
  await expect.element(page.getByText('The new password is saved.')).toBeVisible()
  expect(server.last('reset-password')).toEqual({ token: 'token', newPassword: 'a new long sentence', confirmNewPassword: 'a new long sentence' })
})

it('opens one sign-in over the page when the session has ended, with the address filled in', async () => {
  const server = inServer().on('/api/auth/session', signedIn, signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
  const { account } = mount(AuthButton, server)
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  await account.session.look()
  await expect.element(field('E-mail')).toHaveValue('ann@example.org')
  expect(page.getByRole('dialog').elements()).toHaveLength(1)
})

it('signs out from the menu by keyboard', async () => {
  const server = inServer().on('sign-out', {})
  mount(AuthButton, server)
  await expect.element(button('Account: Ann Lee')).toHaveAttribute('aria-haspopup', 'menu')
  await userEvent.keyboard('{Tab}{Enter}')
  await expect.element(button('Account: Ann Lee')).toHaveAttribute('aria-expanded', 'true')
  await expect.element(page.getByRole('menuitem', { name: 'Manage account' })).toHaveFocus()
  server.on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
  await userEvent.keyboard('{ArrowDown}{ArrowDown}{Enter}')
  await expect.element(button('Sign in')).toBeVisible()
  expect(server.count('sign-out')).toBe(1)
})

it('closes the menu with Escape and returns to its button', async () => {
  mount(AuthButton, inServer())
  await button('Account: Ann Lee').click()
  await userEvent.keyboard('{Escape}')
  await expect.element(page.getByRole('menuitem', { name: 'Manage account' })).not.toBeInTheDocument()
  await expect.element(button('Account: Ann Lee')).toHaveFocus()
})

it('opens the account from the menu and returns to the button', async () => {
  mount(AuthButton, inServer())
  await button('Account: Ann Lee').click()
  await page.getByRole('menuitem', { name: 'Manage account' }).click()
  await expect.element(page.getByRole('dialog', { name: 'Your account' })).toBeVisible()
  await expect.element(page.getByRole('tab', { name: 'Account' })).toBeVisible()
  await userEvent.keyboard('{Escape}')
  await expect.element(button('Account: Ann Lee')).toHaveFocus()
})

it('asks before a sign-out that leaves unsent changes behind', async () => {
  const server = inServer().on('sign-out', {})
  mount(AuthButton, server, {}, { unsentChanges: () => ({ waiting: 1, failed: 0, cleared: 0 }) })
  await button('Account: Ann Lee').click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await expect.element(button('Stay signed in')).toHaveFocus()
  expect(server.count('sign-out')).toBe(0)
  server.on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
  await button('Sign out anyway').click()
  await expect.element(button('Sign in')).toHaveFocus()
  expect(server.count('sign-out')).toBe(1)
})

it('sees unsent changes go out while it asks', async () => {
  const left = { waiting: 1, failed: 0, cleared: 0 }
  mount(AuthButton, inServer(), {}, { unsentChanges: () => ({ ...left }) })
  await button('Account: Ann Lee').click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await expect.element(button('Stay signed in')).toHaveFocus()
  left.waiting = 0
  dispatchEvent(new Event('focus'))
  await expect.element(page.getByRole('dialog').getByText('Everything is on the server now.').first()).toBeVisible()
  await expect.element(page.getByRole('dialog', { name: 'Sign out' }).getByRole('button', { name: 'Sign out' })).toBeVisible()
})

it('says on the next page and in another tab that this device was signed out, once', async () => {
  localStorage.setItem('or3-basic-auth:ended', 'password_changed')
  mount(AuthButton, outServer(), {}, {}, 'div')
  await expect.element(page.getByText('because your password was changed')).toBeVisible()
  await userEvent.keyboard('{Escape}')
  await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
  expect(localStorage.getItem('or3-basic-auth:ended')).toBeNull()
  unmountAll()

  mount(AuthButton, outServer())
  await expect.element(button('Sign in')).toBeVisible()
  await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
})

it('forgets why a session ended once a user is signed in again', async () => {
  localStorage.setItem('or3-basic-auth:ended', 'session_revoked')
  const { account } = mount(AuthButton, inServer())
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  expect([account.endings.why.value, localStorage.getItem('or3-basic-auth:ended')]).toEqual(['', null])
})

it('helps who registers an address that is taken', async () => {
  await openSignIn(outServer().on('register', refusal(401, 'invalid_credentials')))
  await button('Create an account').click()
  await register()
  await expect.element(field('E-mail')).toHaveAccessibleDescription(/sign in, or choose a new password/)
  await button('Forgot your password?').click()
  await expect.element(page.getByRole('dialog', { name: 'Forgotten password' })).toBeVisible()
  await expect.element(field('E-mail')).toHaveValue('new@example.org')
})

it('unlocks after signing in, and for a user who is signed in already', async () => {
  const server = outServer().on('sign-in', {})
  const { emitted } = mount(LockPage, server, {}, {}, 'div')
  await button('Sign in').click()
  await expect.element(field('E-mail')).toHaveFocus()
  server.on('/api/auth/session', signedIn)
  await signIn()
  await expect.poll(() => emitted).toContainEqual(['unlocked'])
  unmountAll()

  const again = mount(LockPage, inServer(), {}, {}, 'div')
  await button('Continue').click()
  await expect.poll(() => again.emitted).toContainEqual(['unlocked'])
})

it('shows nothing where the account is not installed', async () => {
  const root = document.body.appendChild(document.createElement('div'))
  const app = createApp({ render: () => [h(SignedIn, () => 'in'), h(SignedOut, () => 'out')] })
  app.mount(root)
  expect(root.textContent).toBe('')
  app.unmount()
  root.remove()
})

it('works with another language', async () => {
  await openSignIn(outServer(), { translation: { 'signIn.text': 'Mit Adresse und Passwort.' } })
  await expect.element(page.getByText('Mit Adresse und Passwort.')).toBeVisible()
})
