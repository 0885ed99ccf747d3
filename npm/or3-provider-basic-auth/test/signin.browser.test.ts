import { afterEach, expect, it } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import AuthButton from '../src/runtime/account/components/AuthButton.vue'
import { mount, unmountAll } from './mount'
import { TestServer, config, signedIn, signedOut } from './server'

afterEach(unmountAll)

it('opens', async () => {
  const server = new TestServer().on('/api/auth/session', signedOut).on('refresh?silent=1', { body: { ok: false } }).on('config', { body: config })
  mount(AuthButton, server)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect.element(page.getByRole('dialog', { name: 'Sign in' })).toBeVisible()
  await expect.element(page.getByLabelText('E-mail')).toHaveFocus()
  await page.screenshot({ path: '__screenshots__/signin.png' })
  server.on('sign-in', {}).on('/api/auth/session', signedIn)
  await userEvent.keyboard('ann@example.org{Tab}secret-password{Enter}')
  await expect.element(page.getByRole('button', { name: 'Account of Ann Lee' })).toBeVisible()
})
