import { page, userEvent } from 'vitest/browser'
import { expect } from 'vitest'
import AuthButton from '../src/runtime/account/components/AuthButton.vue'
import LockPage from '../src/runtime/account/components/LockPage.vue'
import { Or3Error } from '../src/runtime/account'
import { alert, button, devices, events, field, follow, inServer, openAccount, openSecurity, openSignIn, outServer, section, signIn } from './accounts'
import { mount, testPasskeys } from './mount'
import { TestServer, config, details, never, refusal, signedIn, signedOut } from './server'

/** Every visible state of the account pages: how it is reached, and what shows that it is there. */
export const states: Record<string, Record<string, () => Promise<void>>> = {
  'trigger': {
    async unknown() {
      mount(AuthButton, new TestServer().on('/api/auth/session', never))
      await expect.element(button('Checking your sign-in')).toHaveAttribute('aria-disabled', 'true')
    },
    async 'signed out'() {
      mount(AuthButton, outServer())
      await expect.element(button('Sign in')).toBeVisible()
    },
    async 'signed out, in the sheet'() {
      mount(AuthButton, outServer(), { layout: 'more-sheet' })
      await expect.element(page.getByText('Sign in')).toBeVisible()
    },
    async 'signed in'() {
      mount(AuthButton, inServer())
      await expect.element(button('Account: Ann Lee')).toBeVisible()
    },
    async 'signed in, in the sheet'() {
      mount(AuthButton, inServer(), { layout: 'more-sheet' })
      await expect.element(page.getByText('Ann Lee')).toBeVisible()
    },
    async 'offline'() {
      mount(AuthButton, new TestServer().on('/api/auth/session', refusal(503, 'unavailable')))
      await expect.element(button('Sign in')).toBeVisible()
    },
  },

  'sign-in': {
    async idle() {
      await openSignIn()
      await expect.element(field('E-mail')).toHaveFocus()
    },
    async busy() {
      await openSignIn(outServer().on('sign-in', never))
      await signIn()
      await expect.element(page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true })).toHaveAttribute('aria-busy', 'true')
    },
    async missing() {
      await openSignIn()
      await field('E-mail').click()
      await userEvent.keyboard('{Enter}')
      await expect.element(page.getByText('Password is missing.')).toBeVisible()
    },
    async wrong() {
      await openSignIn(outServer().refuse('sign-in', 401, 'invalid_credentials'))
      await signIn()
      await expect.element(alert()).toHaveTextContent('Wrong e-mail or password.')
    },
    async limited() {
      await openSignIn(outServer().refuse('sign-in', 429, 'rate_limited', {}, { 'Retry-After': '90' }))
      await signIn()
      await expect.element(alert()).toHaveTextContent(/Wait (90|89) seconds/)
    },
    async disabled() {
      await openSignIn(outServer().refuse('sign-in', 403, 'account_disabled'))
      await signIn()
      await expect.element(alert()).toHaveTextContent('This account is switched off.')
    },
    async offline() {
      await openSignIn(outServer().on('sign-in', () => {
        throw new TypeError('network')
      }))
      await signIn()
      await expect.element(alert()).toHaveTextContent('The server cannot be reached.')
    },
    async 'no account yet'() {
      await openSignIn(outServer().on('config', { body: { ...config, setupRequired: true } }))
      await expect.element(page.getByText('This server has no account yet.')).toBeVisible()
    },
    async 'session ended'() {
      const { account } = mount(AuthButton, inServer().on('/api/auth/session', signedIn, { body: { session: null } }).on('refresh?silent=1&why=1', { body: { ok: false } }))
      await expect.element(button('Account: Ann Lee')).toBeVisible()
      await account.session.look()
      await expect.element(page.getByText('the page stays as it is')).toBeVisible()
    },
    async 'signed out elsewhere'() {
      const server = inServer().on('/api/auth/session', signedIn, signedOut).on('refresh?silent=1&why=1', { body: { ok: false, ended: 'session_revoked' } })
      const { account } = mount(AuthButton, server, {}, { unsentChanges: () => ({ waiting: 2, failed: 0, cleared: 0 }) })
      await expect.element(button('Account: Ann Lee')).toBeVisible()
      await account.session.look()
      await expect.element(page.getByText('This device was signed out from another of your devices')).toBeVisible()
      await expect.element(page.getByText('2 changes made here are not on the server yet.')).toBeVisible()
      await expect.element(field('E-mail')).toHaveValue('ann@example.org')
    },
  },

  'passkey sign-in': {
    async 'on a bare address'() {
      await openSignIn(outServer(), { passkeys: testPasskeys({ obstacle: async () => 'address' }) })
      await expect.element(page.getByText('you opened this page at an IP address')).toBeVisible()
      await expect.element(button('Sign in with a passkey')).not.toBeInTheDocument()
    },
    async waiting() {
      await openSignIn(outServer().on('passkeys/sign-in-options', { body: { challenge: 'c', publicKey: {} } }), { passkeys: testPasskeys({ get: never }) })
      await button('Sign in with a passkey').click()
      await expect.element(page.getByText('Follow the prompts of your browser or device.')).toBeVisible()
    },
    async cancelled() {
      const get = async () => {
        throw new Or3Error('cancelled')
      }
      await openSignIn(outServer().on('passkeys/sign-in-options', { body: { challenge: 'c', publicKey: {} } }), { passkeys: testPasskeys({ get }) })
      await button('Sign in with a passkey').click()
      await expect.element(alert()).not.toBeInTheDocument()
    },
    async 'unknown key'() {
      await openSignIn(outServer().on('passkeys/sign-in-options', { body: { challenge: 'c', publicKey: {} } }).refuse('passkeys/sign-in', 401, 'invalid_credentials'))
      await button('Sign in with a passkey').click()
      await expect.element(alert()).toHaveTextContent('This passkey does not belong to an account here.')
    },
  },

  'second step': {
    async idle() {
      await openFactor()
      await expect.element(field('Code')).toHaveFocus()
    },
    async busy() {
      await openFactor(['totp'], server => server.on('second-factor', never))
      await field('Code').fill('123456')
      await expect.element(button('Continue')).toHaveAttribute('aria-busy', 'true')
    },
    async wrong() {
      await openFactor(['totp'], server => server.refuse('second-factor', 401, 'invalid_code', { attemptsLeft: 4 }))
      await field('Code').fill('123456')
      await expect.element(page.getByText('4 attempts left.')).toBeVisible()
      await expect.element(field('Code')).toHaveFocus()
    },
    async 'no attempts left'() {
      await openFactor(['totp'], server => server.refuse('second-factor', 401, 'invalid_token'))
      await field('Code').fill('123456')
      await expect.element(alert()).toHaveTextContent('Start again.')
      await expect.element(field('Code')).not.toBeInTheDocument()
    },
    async 'last try'() {
      await openFactor(['totp'], server => server.refuse('second-factor', 401, 'invalid_code', { attemptsLeft: 0 }))
      await field('Code').fill('123456')
      await expect.element(alert()).toHaveTextContent('0 attempts left.')
      await expect.element(field('Code')).not.toBeInTheDocument()
    },
    async 'wrong passkey'() {
      await openFactor(['passkey', 'totp'], server => server.refuse('second-factor', 401, 'invalid_code', { attemptsLeft: 4 }))
      await button('Use a passkey').click()
      await expect.element(alert()).toHaveTextContent('4 attempts left.')
    },
    async limited() {
      await openFactor(['totp'], server => server.refuse('second-factor', 429, 'rate_limited', {}, { 'Retry-After': '300' }))
      await field('Code').fill('123456')
      await expect.element(alert()).toHaveTextContent('Wait 5 minutes')
    },
    async 'recovery code'() {
      await openFactor()
      await button('Use a recovery code').click()
      await expect.element(field('Recovery code')).toHaveFocus()
    },
    async 'passkey'() {
      await openFactor(['passkey', 'recovery_code'])
      await expect.element(button('Use a passkey')).toBeVisible()
    },
  },

  'forgotten password': {
    async asking() {
      await openForgot()
      await expect.element(field('E-mail')).toBeVisible()
    },
    async sent() {
      await openForgot(outServer().on('forgot-password', {}))
      await field('E-mail').fill('ann@example.org')
      await button('Send the link').click()
      await expect.element(page.getByText('a link is on its way')).toBeVisible()
    },
    async 'no mail'() {
      await openForgot(outServer().on('config', { body: { ...config, mail: false } }))
      await expect.element(page.getByText('Ask your administrator')).toBeVisible()
    },
    async 'new password'() {
      follow('reset=token')
      mount(AuthButton, outServer())
      await expect.element(page.getByRole('dialog', { name: 'Choose a new password' })).toBeVisible()
    },
    async 'new password too weak'() {
      follow('reset=token')
      mount(AuthButton, outServer().refuse('reset-password', 400, 'password_too_common', { field: 'newPassword' }))
      await chooseNewPassword()
      await expect.element(page.getByText('Too many people use this password.')).toBeVisible()
    },
    async 'link expired'() {
      follow('reset=token')
      mount(AuthButton, outServer().refuse('reset-password', 400, 'invalid_token'))
      await chooseNewPassword()
      await expect.element(alert()).toHaveTextContent('This link has expired')
    },
    async 'link that is known to be worth nothing'() {
      follow('reset=token')
      mount(AuthButton, outServer().on('link', { body: { state: 'invalid' } }))
      await expect.element(alert()).toHaveTextContent('This link has expired or was already used.')
      await expect.element(field('New password')).not.toBeInTheDocument()
      await expect.element(button('Ask for a new link')).toBeVisible()
    },
    async 'done'() {
      follow('reset=token')
      mount(AuthButton, outServer().on('reset-password', {}))
      await chooseNewPassword()
      await expect.element(page.getByText('The new password is saved.')).toBeVisible()
    },
  },

  'registration': {
    async open() {
      await openRegister()
      await expect.element(field('Password')).toHaveAccessibleDescription(/At least 8 characters/)
    },
    async 'with an invitation'() {
      follow('invite=token')
      mount(AuthButton, outServer())
      await expect.element(page.getByText('You are invited.')).toBeVisible()
    },
    async 'bad invitation'() {
      follow('invite=token')
      mount(AuthButton, outServer().refuse('register', 403, 'invite_invalid'))
      await register()
      await expect.element(alert()).toHaveTextContent('This invitation is unknown')
    },
    async 'with an invitation that tells all'() {
      follow('invite=token')
      mount(AuthButton, outServer().on('link', { body: { state: 'valid', email: 'new@example.org', workspace: 'Team notes', invitedBy: 'Bob Ray', role: 'editor' } }))
      await expect.element(page.getByText('Bob Ray invites you to the workspace “Team notes”. The invitation is for new@example.org.')).toBeVisible()
      await expect.element(field('E-mail')).toHaveValue('new@example.org')
    },
    async 'used invitation'() {
      await openDead('invite', 'used', 'This invitation was already used.')
    },
    async 'expired invitation'() {
      await openDead('invite', 'expired', 'This invitation has expired.')
    },
    async 'revoked invitation'() {
      await openDead('invite', 'revoked', 'This invitation was withdrawn.')
    },
    async 'unknown invitation'() {
      await openDead('invite', 'invalid', 'This server does not know this invitation')
    },
    async 'needless invitation'() {
      follow('invite=token')
      mount(AuthButton, outServer().on('link', { body: { state: 'ignored' } }))
      await expect.element(page.getByText('you do not need your invitation')).toBeVisible()
    },
    async 'invitation to a closed server'() {
      follow('invite=token')
      mount(AuthButton, outServer().on('link', { body: { state: 'ignored' } }).on('config', { body: { ...config, registration: 'disabled' } }))
      await expect.element(page.getByText('Ask your administrator for an account.')).toBeVisible()
    },
    async 'used link for the first account'() {
      await openDead('setup', 'used', 'This server already has its first account')
    },
    async 'wrong link for the first account'() {
      await openDead('setup', 'invalid', 'This link is wrong, incomplete or out of date')
    },
    async 'ordinary account before the first'() {
      await openRegister(outServer().on('config', { body: { ...config, setupRequired: true } }))
      await expect.element(page.getByText('This creates an ordinary account.')).toBeVisible()
    },
    async 'looking at the link'() {
      follow('invite=token')
      mount(LockPage, outServer().on('link', never), {}, {}, 'div')
      await expect.element(page.getByText('Checking your link…')).toBeVisible()
    },
    async 'first account'() {
      follow('setup=token')
      mount(AuthButton, outServer())
      await expect.element(page.getByRole('dialog', { name: 'Create the first account' })).toBeVisible()
    },
    async 'invitation needed'() {
      await openRegister(outServer().on('config', { body: { ...config, registration: 'invite_only' } }))
      await expect.element(page.getByText('You need an invitation to join this server')).toBeVisible()
    },
    async 'closed'() {
      await openSignIn(outServer().on('config', { body: { ...config, registration: 'disabled' } }))
      await expect.element(button('Create an account')).not.toBeInTheDocument()
    },
    async taken() {
      await openRegister(outServer().refuse('register', 409, 'email_taken'))
      await register()
      await expect.element(field('E-mail')).toHaveAccessibleDescription(/already an account/)
    },
    async 'passwords differ'() {
      await openRegister()
      await register('a long sentence', 'another sentence')
      await expect.element(page.getByText('The passwords do not match.')).toBeVisible()
    },
  },

  'confirming an address': {
    async confirmed() {
      follow('confirm-email=token')
      mount(AuthButton, inServer().on('email/confirm', { body: { ok: true, email: 'new@example.org' } }))
      await expect.element(page.getByText('new@example.org is now the address of your account.')).toBeVisible()
    },
    async dead() {
      follow('confirm-email=token')
      mount(AuthButton, inServer().refuse('email/confirm', 400, 'invalid_token'))
      await expect.element(alert()).toHaveTextContent('This link has expired')
    },
    async 'server fault'() {
      follow('confirm-email=token')
      mount(AuthButton, inServer().refuse('email/confirm', 503, 'unavailable'))
      await expect.element(button('Try again')).toBeVisible()
    },
  },

  'user menu': {
    async open() {
      await openMenu()
      await expect.element(page.getByRole('menuitem', { name: 'Manage account' })).toBeVisible()
    },
    async 'signing out'() {
      await openMenu(inServer().on('sign-out', never))
      await page.getByRole('menuitem', { name: 'Sign out' }).click()
      await expect.element(button('Account: Ann Lee')).toHaveAttribute('aria-busy', 'true')
    },
    async 'sign-out failed'() {
      await openMenu(inServer().refuse('sign-out', 503, 'unavailable'))
      await page.getByRole('menuitem', { name: 'Sign out' }).click()
      await expect.element(alert()).toHaveTextContent('You could not be signed out.')
    },
    async 'unsent changes'() {
      mount(AuthButton, inServer(), {}, { unsentChanges: () => ({ waiting: 3, failed: 1, cleared: 2 }) })
      await button('Account: Ann Lee').click()
      await page.getByRole('menuitem', { name: 'Sign out' }).click()
      await expect.element(page.getByText('4 changes made on this device are not on the server.')).toBeVisible()
      await expect.element(page.getByText('Signing out deletes 2 changes permanently')).toBeVisible()
    },
  },

  'account dialog': {
    async loading() {
      await openAccount(inServer().on('account', never))
      await expect.element(page.getByText('Loading…')).toBeInTheDocument()
    },
    async failed() {
      await openAccount(inServer().refuse('account', 503, 'unavailable'))
      await expect.element(alert()).toHaveTextContent('Your account could not be loaded.')
    },
    async loaded() {
      await openAccount()
      await expect.element(page.getByRole('tab', { name: 'Account' })).toHaveAttribute('aria-selected', 'true')
    },
    async 'a second step is demanded'() {
      await openAccount(inServer({ secondFactorDemand: { met: false, due: '2026-12-24T12:00:00Z', restricted: false } }))
      await expect.element(page.getByText('This server requires a second step at sign-in. Set up two-step verification or a passkey by')).toBeVisible()
    },
    async 'nothing else works without a second step'() {
      await openAccount(inServer({ secondFactorDemand: { met: false, due: '2026-03-24T12:00:00Z', restricted: true } }))
      await expect.element(page.getByText('until then, nothing else works here')).toBeVisible()
      await expect.element(page.getByRole('tab', { name: 'Security' })).toHaveAttribute('aria-selected', 'true')
    },
    async 'no name'() {
      await openAccount(inServer({ account: { ...details.account, displayName: undefined } }))
      await expect.element(page.getByText('No name given')).toBeVisible()
    },
    async 'name, edit'() {
      await openAccount()
      await button('Change name').click()
      await expect.element(field('Display name')).toHaveFocus()
    },
    async 'name, saved'() {
      await openAccount(inServer().on('display-name', {}))
      await button('Change name').click()
      await button('Save').click()
      await expect.element(page.getByText('Name saved.')).toBeVisible()
      await expect.element(button('Change name')).toHaveFocus()
    },
    async 'address, edit'() {
      await openAccount()
      await button('Change e-mail address').click()
      await expect.element(field('New e-mail address')).toHaveFocus()
    },
    async 'address, in use'() {
      await openAccount(inServer().refuse('email', 409, 'email_taken'))
      await changeAddress()
      await expect.element(field('New e-mail address')).toHaveAccessibleDescription(/already an account/)
    },
    async 'address, sent'() {
      await openAccount(inServer().on('email', { body: { ok: true, pending: true } }))
      await changeAddress()
      await expect.element(page.getByText('A link was sent to the new address.')).toBeVisible()
    },
    async 'address, pending'() {
      await openAccount(inServer({ account: { ...details.account, pendingEmail: 'new@example.org' } }))
      await expect.element(button('Keep the old address')).toBeVisible()
    },
  },

  'step-up': {
    async password() {
      await openStepUp(['password'])
      await expect.element(stepUpPassword()).toHaveFocus()
    },
    async 'wrong password'() {
      await openStepUp(['password'], server => server.refuse('reauthenticate', 401, 'invalid_credentials'))
      await stepUpPassword().fill('wrong')
      await button('Confirm').click()
      await expect.element(stepUpPassword()).toHaveAccessibleDescription('This is not your password.')
    },
    async passkey() {
      await openStepUp(['password', 'passkey'])
      await expect.element(button('Use a passkey')).toBeVisible()
    },
    async 'passkey, waiting'() {
      await openStepUp(['passkey'], server => server.on('passkeys/sign-in-options', never))
      await button('Use a passkey').click()
      await expect.element(page.getByText('Follow the prompts of your browser or device.')).toBeVisible()
    },
    async cancelled() {
      await openStepUp(['password'])
      await page.getByRole('dialog', { name: 'Confirm that it is you' }).getByRole('button', { name: 'Cancel' }).click()
      await expect.element(page.getByRole('dialog', { name: 'Confirm that it is you' })).not.toBeInTheDocument()
      await expect.element(field('New e-mail address')).toHaveValue('new@example.org')
    },
  },

  'password': {
    async idle() {
      await openAccount(inServer(), 'password')
      await expect.element(field('Current password')).toHaveFocus()
    },
    async 'wrong current'() {
      await openAccount(inServer().refuse('change-password', 401, 'invalid_credentials'), 'password')
      await changePassword()
      await expect.element(field('Current password')).toHaveAccessibleDescription('This is not your current password.')
    },
    async 'too weak'() {
      await openAccount(inServer().refuse('change-password', 400, 'password_breached', { field: 'newPassword' }), 'password')
      await changePassword()
      await expect.element(field('New password')).toHaveAccessibleDescription(/appeared in a data leak/)
    },
    async saved() {
      await openAccount(inServer().on('change-password', {}), 'password')
      await changePassword()
      await expect.element(page.getByText('Password changed.')).toBeVisible()
    },
  },

  'two-step verification': {
    async off() {
      await openSecurity()
      await expect.element(button('Set up')).toBeVisible()
    },
    async enrolling() {
      await openEnrolment()
      await expect.element(page.getByRole('img', { name: 'QR code with the key below' })).toBeVisible()
      await expect.element(page.getByText('JBSW Y3DP EHPK 3PXP')).toBeVisible()
    },
    async 'wrong code'() {
      await openEnrolment(server => server.refuse('totp/confirm', 401, 'invalid_code'))
      await field('Code').fill('000000')
      await button('Switch on').click()
      await expect.element(field('Code')).toHaveAccessibleDescription(/wrong/)
    },
    async on() {
      await openSecurity(inServer({ totp: { enabled: true }, recoveryCodesLeft: 9 }))
      await expect.element(button('Switch off')).toBeVisible()
    },
    async removing() {
      await openSecurity(inServer({ totp: { enabled: true }, recoveryCodesLeft: 9 }))
      await button('Switch off').click()
      await expect.element(page.getByText('Switch off two-step verification?')).toBeVisible()
    },
  },

  'recovery codes': {
    async 'fresh, about to be lost'() {
      await openEnrolment(server => server.on('totp/confirm', { body: { ok: true, recoveryCodes: codes } }))
      await field('Code').fill('123456')
      await button('Switch on').click()
      await expect.element(page.getByRole('heading', { name: 'Your recovery codes' })).toHaveFocus()
      await userEvent.keyboard('{Escape}')
      await expect.element(button('Go back')).toHaveFocus()
    },
    async fresh() {
      await openEnrolment(server => server.on('totp/confirm', { body: { ok: true, recoveryCodes: codes } }))
      await field('Code').fill('123456')
      await button('Switch on').click()
      await expect.element(page.getByText(codes[0]!)).toBeVisible()
      await expect.element(page.getByRole('heading', { name: 'Your recovery codes' })).toHaveFocus()
    },
    async low() {
      await openSecurity(inServer({ totp: { enabled: true }, recoveryCodesLeft: 2 }))
      await expect.element(page.getByText('2 codes left. Make new ones soon.')).toBeVisible()
    },
    async none() {
      await openSecurity(inServer({ totp: { enabled: true }, recoveryCodesLeft: 0 }))
      await expect.element(page.getByText('You have no codes left.')).toBeVisible()
    },
    async renewing() {
      await openSecurity(inServer({ totp: { enabled: true }, recoveryCodesLeft: 2 }))
      await button('Make new codes').click()
      await expect.element(page.getByText('The old ones stop working at once.')).toBeVisible()
    },
  },

  'passkeys': {
    async 'of an earlier domain'() {
      await openSecurity(inServer({ passkeys: [{ ...laptop, otherDomain: 'old.example.org' }] }))
      await expect.element(page.getByText('Belongs to old.example.org and does not work here.')).toBeVisible()
    },
    async none() {
      await openSecurity()
      await expect.element(page.getByText('You have no passkeys.')).toBeVisible()
    },
    async some() {
      await openSecurity(inServer({ passkeys: [laptop] }))
      await expect.element(button('Rename Laptop')).toBeVisible()
    },
    async adding() {
      await openSecurity(inServer().on('passkeys/register-options', never))
      await button('Add a passkey').click()
      await section('Passkeys').getByRole('button', { name: 'Add a passkey' }).click()
      await expect.element(page.getByText('Follow the prompts of your browser or device.')).toBeVisible()
    },
    async 'already here'() {
      const create = async () => {
        throw new Or3Error('passkey_exists')
      }
      await openSecurity(inServer().on('passkeys/register-options', { body: { challenge: 'c', publicKey: {} } }), { passkeys: testPasskeys({ create }) })
      await button('Add a passkey').click()
      await section('Passkeys').getByRole('button', { name: 'Add a passkey' }).click()
      await expect.element(alert()).toHaveTextContent('This device already has a passkey for your account.')
    },
    async 'without HTTPS'() {
      await openSecurity(inServer(), { passkeys: testPasskeys({ obstacle: async () => 'insecure' }) })
      await expect.element(section('Passkeys').getByText('Passkeys need HTTPS')).toBeVisible()
      await expect.element(button('Add a passkey')).not.toBeInTheDocument()
    },
    async 'of another domain'() {
      const server = inServer().on('config', { body: { ...config, passkeyDomain: 'cloud.example.org' } })
      await openSecurity(server, { passkeys: testPasskeys({ obstacle: async () => 'domain' }) })
      await expect.element(section('Passkeys').getByText('belong to cloud.example.org')).toBeVisible()
    },
    async renaming() {
      await openSecurity(inServer({ passkeys: [laptop] }))
      await button('Rename Laptop').click()
      await expect.element(field('Name of the passkey')).toHaveValue('Laptop')
    },
    async 'removing the last'() {
      await openSecurity(inServer({ passkeys: [laptop] }))
      await button('Remove Laptop').click()
      await expect.element(page.getByText('It is your last second step')).toBeVisible()
    },
  },

  'devices': {
    async list() {
      await openSecurity()
      await expect.element(page.getByText('Safari on iPhone')).toBeVisible()
    },
    async 'only this one'() {
      await openSecurity(inServer().on('sessions', { body: { sessions: devices.slice(0, 1) } }))
      await expect.element(page.getByText('You are signed in on this device only.')).toBeVisible()
    },
    async revoking() {
      await openSecurity(inServer().on('sessions/revoke', never))
      await button('Sign out Safari on iPhone').click()
      await expect.element(button('Sign out Safari on iPhone')).toHaveAttribute('aria-busy', 'true')
    },
    async gone() {
      await openSecurity(inServer().on('sessions', { body: { sessions: devices } }, { body: { sessions: devices.slice(0, 1) } }).refuse('sessions/revoke', 404, 'not_found'))
      await button('Sign out Safari on iPhone').click()
      await expect.element(page.getByText('Safari on iPhone is signed out.')).toBeVisible()
    },
    async failed() {
      await openSecurity(inServer().refuse('sessions', 503, 'unavailable'))
      await expect.element(alert()).toHaveTextContent('The devices could not be loaded.')
    },
  },

  'recent activity': {
    async loading() {
      await openSecurity(inServer().on('events', never))
      await expect.element(section('Recent activity').getByRole('list')).not.toBeInTheDocument()
      await expect.element(section('Recent activity').getByText('No recent activity.')).not.toBeInTheDocument()
    },
    async 'the latest'() {
      await openSecurity()
      await expect.element(section('Recent activity').getByText('Moon landing booked')).toBeVisible()
      await section('Recent activity').getByRole('button', { name: 'Show all 6' }).click({ trial: true })
    },
    async all() {
      await openSecurity()
      await button('Show all 6').click()
      await expect.element(page.getByText('Account created')).toBeVisible()
    },
    async 'not many'() {
      await openSecurity(inServer().on('events', { body: { events: events.slice(0, 5) } }))
      await expect.element(page.getByText('Moon landing booked')).toBeVisible()
      await expect.element(button(/^Show/)).not.toBeInTheDocument()
    },
    async none() {
      await openSecurity(inServer().on('events', { body: { events: [] } }))
      await expect.element(page.getByText('No recent activity.')).toBeVisible()
    },
    async failed() {
      await openSecurity(inServer().refuse('events', 503, 'unavailable'))
      await expect.element(alert()).toHaveTextContent('The activity could not be loaded.')
      await expect.element(button('Try again')).toBeVisible()
    },
  },

  'deleting the account': {
    async blocked() {
      await openDeletion([{ id: 'w1', name: 'Shared notes', members: 3, fate: 'blocked' }])
      await expect.element(page.getByText('needs another owner first')).toBeVisible()
      await expect.element(button('Delete permanently')).not.toBeInTheDocument()
    },
    async typing() {
      await openDeletion([{ id: 'w1', name: 'My Workspace', members: 1, fate: 'deleted' }, { id: 'w2', name: 'Team', members: 4, fate: 'left' }])
      await expect.element(field('Type ann@example.org to confirm')).toHaveFocus()
    },
    async mismatch() {
      await openDeletion([])
      await field('Type ann@example.org to confirm').fill('bob@example.org')
      await button('Delete permanently').click()
      await expect.element(page.getByText('This is not the address of your account.')).toBeVisible()
    },
    async busy() {
      await openDeletion([], server => server.on('delete-account', never))
      await field('Type ann@example.org to confirm').fill('ann@example.org')
      await button('Delete permanently').click()
      await expect.element(button('Delete permanently')).toHaveAttribute('aria-busy', 'true')
    },
  },

  'lock page': {
    async busy() {
      mount(LockPage, new TestServer().on('/api/auth/session', never).on('config', { body: config }), {}, {}, 'div')
      await expect.element(page.getByText('Checking your sign-in…')).toBeVisible()
    },
    async locked() {
      mount(LockPage, outServer(), {}, {}, 'div')
      await expect.element(button('Sign in')).toHaveFocus()
    },
    async 'signing in'() {
      mount(LockPage, outServer(), {}, {}, 'div')
      await expect.element(button('Sign in')).toHaveFocus()
      await button('Sign in').click()
      await expect.element(field('E-mail')).toBeVisible()
    },
    async 'signed in'() {
      mount(LockPage, inServer(), {}, {}, 'div')
      await expect.element(button('Continue')).toHaveFocus()
    },
    async 'offline'() {
      mount(LockPage, new TestServer().refuse('/api/auth/session', 503, 'unavailable').on('config', { body: config }), {}, {}, 'div')
      await expect.element(alert()).toHaveTextContent('The server has a problem.')
    },
  },
}

export const laptop = { id: 'p1', name: 'Laptop', createdAt: '2026-03-04T05:06:07Z', lastUsedAt: '2026-11-20T08:00:00Z' }
export const codes = Array.from({ length: 10 }, (_, n) => `k3f7-9qm${n}-xw2c`)

export async function openFactor(methods = ['totp', 'recovery_code'], more = (server: TestServer) => server) {
  const mounted = await openSignIn(more(outServer().refuse('sign-in', 401, 'second_factor_required', { challenge: 'c1', methods, publicKey: {} })))
  await signIn()
  await expect.element(page.getByRole('dialog', { name: 'Second step' })).toBeVisible()
  return mounted
}

async function openForgot(server = outServer()) {
  await openSignIn(server)
  await button('Forgot your password?').click()
  await expect.element(page.getByRole('dialog', { name: 'Forgotten password' })).toBeVisible()
}

async function openRegister(server = outServer()) {
  await openSignIn(server)
  await button('Create an account').click()
  await expect.element(page.getByRole('dialog', { name: 'Create an account' })).toBeVisible()
}

export async function register(password = 'a long sentence', again = password) {
  await field('E-mail').fill('new@example.org')
  await field('Password').fill(password)
  await field('Password again').fill(again)
  await button('Create account').click()
}

async function openDead(kind: string, state: string, text: string) {
  follow(`${kind}=token`)
  mount(AuthButton, outServer().on('link', { body: { state } }))
  await expect.element(alert()).toHaveTextContent(text)
  await expect.element(field('E-mail')).not.toBeInTheDocument()
  await expect.element(page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true })).toBeVisible()
}

async function chooseNewPassword() {
  await field('New password').fill('a long sentence')
  await field('Password again').fill('a long sentence')
  await button('Save the password').click()
}

async function openMenu(server = inServer()) {
  mount(AuthButton, server)
  await button('Account: Ann Lee').click()
}

async function changeAddress() {
  await button('Change e-mail address').click()
  await field('New e-mail address').fill('new@example.org')
  await button('Save').click()
}

/** The section behind the dialog has the same name as its field. */
const stepUpPassword = () => page.getByRole('dialog', { name: 'Confirm that it is you' }).getByLabelText('Password', { exact: true })

export async function openStepUp(methods: string[], more = (server: TestServer) => server) {
  const server = more(inServer().on('email', refusal(403, 'reauthentication_required', { methods }), { body: { ok: true, pending: false } }))
  await openAccount(server)
  await changeAddress()
  await expect.element(page.getByRole('dialog', { name: 'Confirm that it is you' })).toBeVisible()
  return server
}

export async function changePassword() {
  await field('Current password').fill('my old sentence')
  await field('New password').fill('my new sentence')
  await field('Password again').fill('my new sentence')
  await button('Save').click()
}

export async function openEnrolment(more = (server: TestServer) => server) {
  const uri = 'otpauth://totp/OR3%20Cloud:ann%40example.org?secret=JBSWY3DPEHPK3PXP&issuer=OR3%20Cloud'
  const mounted = await openSecurity(more(inServer().on('totp/enrol', { body: { secret: 'JBSWY3DPEHPK3PXP', uri } })))
  await button('Set up').click()
  await expect.element(field('Code')).toHaveFocus()
  return mounted
}

async function openDeletion(workspaces: object[], more = (server: TestServer) => server) {
  await openAccount(more(inServer().on('deletion', { body: { workspaces } })))
  await button('Delete account').click()
}
