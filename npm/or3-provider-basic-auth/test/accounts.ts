import { page, userEvent } from 'vitest/browser'
import { expect } from 'vitest'
import AccountDialog from '../src/runtime/account/components/AccountDialog.vue'
import AuthButton from '../src/runtime/account/components/AuthButton.vue'
import type { AccountOptions } from '../src/runtime/account'
import type { AccountDetails } from '../src/runtime/account/api/wire'
import { mount, type Mounted } from './mount'
import { TestServer, config, details, signedIn, signedOut } from './server'

/** What people do on these pages, in the words of the tests. */

export const outServer = () => new TestServer()
  .on('/api/auth/session', signedOut)
  .on('refresh?silent=1&why=1', { body: { ok: false } })
  .on('config', { body: config })

export const devices = [
  { id: 's1', current: true, createdAt: '2026-11-01T10:00:00Z', lastSeenAt: '2026-11-24T10:00:00Z', ipAddress: '192.0.2.7', userAgent: 'Mozilla/5.0 … Firefox/140.0', device: { browser: 'Firefox', system: 'Linux', kind: 'computer' } },
  { id: 's2', current: false, createdAt: '2026-11-01T10:00:00Z', lastSeenAt: '2026-11-20T10:00:00Z', ipAddress: '2001:db8:85a3:8d3:1319:8a2e:370:7348', userAgent: 'Mozilla/5.0 … Safari/604.1', device: { browser: 'Safari', system: 'iPhone', kind: 'phone' } },
]

const edge = { userAgent: 'Mozilla/5.0 … Edg/140.0', device: { browser: 'Edge', system: 'Windows' } }

/** One more than is shown at first: the newest is a kind that this page does not know, the second is the operator's. */
export const events = [
  { kind: 'moon_landing_booked', at: '2026-11-24T10:00:00Z', ipAddress: '2001:db8:85a3:8d3:1319:8a2e:370:7348', ...edge },
  { kind: 'factors_reset', at: '2026-11-23T10:00:00Z' },
  { kind: 'sign_in_failed', at: '2026-11-22T10:00:00Z', ipAddress: '198.51.100.4', userAgent: 'curl/8.14' },
  { kind: 'refresh_token_replayed', at: '2026-11-21T10:00:00Z', ipAddress: '192.0.2.7', ...edge },
  { kind: 'signed_in', at: '2026-11-20T10:00:00Z', ipAddress: '192.0.2.7', ...edge },
  { kind: 'registered', at: '2026-11-01T10:00:00Z', ipAddress: '192.0.2.7', ...edge },
]

export const inServer = (over: Partial<AccountDetails> = {}) => new TestServer()
  .on('/api/auth/session', signedIn)
  .on('config', { body: config })
  .on('account', { body: { ...details, ...over } })
  .on('sessions', { body: { sessions: devices } })
  .on('events', { body: { events } })
  .on('deletion', { body: { workspaces: [] } })

export const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true })
export const field = (label: string) => page.getByLabelText(label, { exact: true })
export const alert = () => page.getByRole('alert').filter({ hasText: /./ })

export async function openSignIn(server = outServer(), options: Partial<AccountOptions> = {}): Promise<Mounted> {
  const mounted = mount(AuthButton, server, {}, options)
  await button('Sign in').click()
  await expect.element(page.getByRole('dialog', { name: 'Sign in' })).toBeVisible()
  return mounted
}

export async function signIn(email = 'ann@example.org', password = 'a long sentence'): Promise<void> {
  await field('E-mail').fill(email)
  await field('Password').fill(password)
  await userEvent.keyboard('{Enter}')
}

export async function openAccount(server = inServer(), part: 'account' | 'password' = 'account', options: Partial<AccountOptions> = {}): Promise<Mounted> {
  const mounted = mount(AccountDialog, server, { open: true, part }, options)
  await mounted.account.session.look()
  return mounted
}

/** openSecurity shows the second tab. */
export async function openSecurity(server = inServer(), options: Partial<AccountOptions> = {}): Promise<Mounted> {
  const mounted = await openAccount(server, 'account', options)
  await page.getByRole('tab', { name: 'Security' }).click()
  await expect.element(page.getByRole('heading', { name: 'Active devices' })).toBeVisible()
  return mounted
}

/** follow opens the page with a one-time link. */
export function follow(fragment: string): void {
  history.replaceState(null, '', `${location.pathname}${location.search}#${fragment}`)
}

export const section = (name: string) => page.getByRole('region', { name })
