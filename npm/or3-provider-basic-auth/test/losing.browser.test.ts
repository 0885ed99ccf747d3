import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { alert, button, field, inServer, openAccount, openSecurity, openSignIn, section } from './accounts'
import { unmountAll } from './mount'
import { details, never, refusal, signedIn, signedOut, TestServer } from './server'
import { codes, laptop, openEnrolment, openFactor, openStepUp } from './states'

afterEach(unmountAll)

const dialog = () => page.getByRole('dialog', { name: 'Your account' })
const kept = () => page.getByText('Have you saved your recovery codes?')
const typed = () => page.getByText('What you typed is not saved.')

/** The ways out of a dialog that people take without meaning to. */
const ways: Record<string, () => Promise<void>> = {
  'Escape': () => userEvent.keyboard('{Escape}'),
  async 'a click beside it'() {
    const overlay = document.querySelector('[data-slot="overlay"], [data-state="open"].fixed')!
    for (const type of ['pointerdown', 'pointerup', 'click']) overlay.dispatchEvent(new PointerEvent(type, { bubbles: true, cancelable: true, button: 0 }))
  },
  'its button': () => button('Close').click(),
}

/** Whether the browser would ask before this page is left, as by its back button. */
function asksBeforeLeaving() {
  const event = new Event('beforeunload', { cancelable: true })
  dispatchEvent(event)
  return event.defaultPrevented
}

async function showCodes(server = inServer({ totp: { enabled: true }, recoveryCodesLeft: 1 })) {
  const mounted = await openSecurity(server.on('recovery-codes', { body: { recoveryCodes: codes } }))
  await button('Make new codes').click()
  await section('Recovery codes').getByRole('button', { name: 'Make new codes' }).click()
  await expect.element(page.getByRole('heading', { name: 'Your recovery codes' })).toHaveFocus()
  return mounted
}

describe('codes that are shown once', () => {
  for (const [way, leave] of Object.entries(ways)) {
    it(`are not lost by ${way}`, async () => {
      const { emitted } = await showCodes()
      expect(asksBeforeLeaving()).toBe(true)
      await leave()
      await expect.element(kept()).toBeVisible()
      await expect.element(button('Go back')).toHaveFocus()
      await leave() // again changes nothing, or goes back
      await (way === 'Escape' ? Promise.resolve() : button('Go back').click())
      await expect.element(page.getByText(codes[9]!)).toBeVisible()
      await expect.element(page.getByRole('heading', { name: 'Your recovery codes' })).toHaveFocus()
      expect(emitted).toEqual([])

      await leave()
      await button('Discard').click()
      await expect.poll(() => emitted).toContainEqual(['update:open', false])
    })
  }

  it('are not lost by the end of the session, nor by another tab', async () => {
    const server = inServer({ totp: { enabled: true }, recoveryCodesLeft: 1 })
    const { emitted, account } = await showCodes(server)
    await page.getByRole('tab', { name: 'Account' }).click()
    await page.getByRole('tab', { name: 'Security' }).click()
    await expect.element(page.getByText(codes[0]!)).toBeVisible()
    server.on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
    await account.session.look()
    expect(account.session.state.value.status).not.toBe('signedIn')
    await expect.element(page.getByText(codes[0]!)).toBeVisible()
    expect(emitted).toEqual([])
    await button('I have saved them').click()
    await expect.poll(() => emitted).toContainEqual(['update:open', false])
    expect(asksBeforeLeaving()).toBe(false)
  })

  it('are not lost when the account cannot be loaded again', async () => {
    const server = inServer({ totp: { enabled: true }, recoveryCodesLeft: 1 }).on('recovery-codes', { body: { recoveryCodes: codes } })
    await openSecurity(server)
    server.on('account', refusal(503, 'unavailable'))
    await button('Make new codes').click()
    await section('Recovery codes').getByRole('button', { name: 'Make new codes' }).click()
    await expect.element(alert()).toHaveTextContent('Your account could not be loaded.')
    await expect.element(page.getByText(codes[9]!)).toBeVisible()
  })

  it('are waited for', async () => {
    const { emitted } = await openEnrolment(server => server.on('totp/confirm', never))
    await field('Code').fill('123456')
    await button('Switch on').click()
    await userEvent.keyboard('{Escape}')
    await expect.element(page.getByText('You have not finished.')).toBeVisible()
    await button('Go back').click()
    await expect.element(button('Switch on')).toHaveAttribute('aria-busy', 'true')
    expect(emitted).toEqual([])
  })
})

describe('Escape in a field', () => {
  it('ends a form with nothing in it, and not the dialog', async () => {
    const { emitted } = await openAccount()
    await button('Change name').click()
    await expect.element(field('Display name')).toHaveFocus()
    await userEvent.keyboard('{Escape}')
    await expect.element(field('Display name')).not.toBeInTheDocument()
    await expect.element(button('Change name')).toHaveFocus()
    expect(emitted).toEqual([])
    await userEvent.keyboard('{Escape}')
    await expect.poll(() => emitted).toContainEqual(['update:open', false])
  })

  it('asks before the key of an app is lost', async () => {
    await openEnrolment()
    await userEvent.keyboard('{Escape}')
    await expect.element(page.getByText('You have not finished.')).toBeVisible()
    await userEvent.keyboard('{Escape}')
    await expect.element(field('Code')).toHaveFocus()
    await userEvent.keyboard('{Escape}')
    await button('Discard').click()
    await expect.element(field('Code')).not.toBeInTheDocument()
    await expect.element(button('Set up')).toHaveFocus()
    await expect.element(dialog()).toBeVisible()
  })

  for (const [name, open, label] of [
    ['Display name', () => button('Change name').click(), 'Change name'],
    ['New e-mail address', () => button('Change e-mail address').click(), 'Change e-mail address'],
    ['Type ann@example.org to confirm', () => button('Delete account').click(), 'Delete account'],
  ] as const) {
    it(`asks before what was typed is lost: ${name}`, async () => {
      const { emitted } = await openAccount()
      await open()
      await expect.element(field(name)).toHaveFocus()
      await field(name).fill('something new')
      expect(asksBeforeLeaving()).toBe(true)
      await userEvent.keyboard('{Escape}')
      await expect.element(typed()).toBeVisible()
      await button('Go back').click()
      await expect.element(field(name)).toHaveValue('something new')
      await expect.element(field(name)).toHaveFocus()
      await userEvent.keyboard('{Escape}')
      await button('Discard').click()
      await expect.element(field(name)).not.toBeInTheDocument()
      await expect.element(button(label)).toHaveFocus()
      expect(emitted).toEqual([])
      expect(asksBeforeLeaving()).toBe(false)
    })
  }

  it('asks in every other dialog', async () => {
    await openSignIn()
    await userEvent.keyboard('ann@example.org{Escape}')
    await expect.element(typed()).toBeVisible()
    await button('Go back').click()
    await expect.element(field('E-mail')).toHaveValue('ann@example.org')
    await userEvent.keyboard('{Escape}')
    await button('Discard').click()
    await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
    await expect.element(button('Sign in')).toHaveFocus()
    unmountAll()

    await openFactor()
    await field('Code').fill('12')
    await userEvent.keyboard('{Escape}')
    await expect.element(typed()).toBeVisible()
    unmountAll()

    await openStepUp(['password'])
    await userEvent.keyboard('my sen{Escape}')
    await expect.element(typed()).toBeVisible()
    await button('Discard').click()
    await expect.element(page.getByRole('dialog', { name: 'Confirm that it is you' })).not.toBeInTheDocument()
    await expect.element(field('New e-mail address')).toHaveValue('new@example.org')
  })
})

/** How much of an element is cut off by the screen or by what scrolls around it, in pixels. */
function hidden(element: Element) {
  const box = element.getBoundingClientRect()
  const room = element.closest('.or3-body')?.getBoundingClientRect() ?? new DOMRect(0, 0, innerWidth, innerHeight)
  const top = Math.max(room.top, 0), bottom = Math.min(room.bottom, innerHeight)
  return Math.max(top - box.top, box.bottom - bottom, -box.left, box.right - innerWidth)
}

const inView = (element: () => Element) => expect.poll(() => hidden(element())).toBeLessThanOrEqual(1)

for (const [width, height] of [[320, 640], [320, 480], [640, 320], [1024, 400], [1024, 768]] as const) {
  describe(`on a screen of ${width} by ${height}`, () => {
    beforeEach(() => page.viewport(width, height))

    it('the QR code is in view, and then the codes', async () => {
      await openEnrolment(server => server.on('totp/confirm', { body: { ok: true, recoveryCodes: codes } }))
      await inView(() => page.getByRole('img', { name: 'QR code with the key below' }).element())
      await field('Code').fill('123456')
      await button('Switch on').click()
      await inView(() => page.getByRole('heading', { name: 'Your recovery codes' }).element())
      await inView(() => page.getByText(codes[0]!).element())
    })

    it('what is wrong is in view', async () => {
      await openEnrolment(server => server.on('totp/confirm', refusal(401, 'invalid_code'), refusal(503, 'unavailable')))
      await field('Code').fill('000000')
      await button('Switch on').click()
      await inView(() => page.getByText('This code is wrong').element())
      await button('Switch on').click()
      await inView(() => alert().element())
    })

    it('what was done is in view', async () => {
      const server = inServer({ passkeys: [laptop, { ...laptop, id: 'p2', name: 'Phone' }] }).on('passkeys/remove', {})
      await openSecurity(server)
      await button('Remove Phone').click()
      server.on('account', { body: { ...details, passkeys: [laptop] } })
      await inView(() => button('Remove').element())
      await userEvent.keyboard('{Enter}')
      await inView(() => page.getByText('Passkey Phone removed.').element())
    })
  })
}

describe('passkeys of an earlier domain', () => {
  const old = { ...laptop, otherDomain: 'old.example.org' }

  it('are marked, and what protects the account is said', async () => {
    await openSecurity(inServer({ passkeys: [old], recoveryCodesLeft: 0 }))
    await expect.element(section('Passkeys').getByText('Belongs to old.example.org and does not work here.')).toBeVisible()
    await expect.element(section('Passkeys').getByText('Your password alone is enough to sign in now')).toBeVisible()
    await button('Remove Laptop').click()
    await expect.element(page.getByText('It is your last second step')).not.toBeInTheDocument()
    unmountAll()

    await openSecurity(inServer({ passkeys: [old], recoveryCodesLeft: 3 }))
    await expect.element(section('Passkeys').getByText('Add new ones, then remove the old ones.')).toBeVisible()
    await button('Remove Laptop').click()
    await expect.element(page.getByText('It is your last second step')).toBeVisible()
  })

  it('are named at the second step', async () => {
    await openSignIn(new TestServer().on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
      .refuse('sign-in', 401, 'second_factor_required', { challenge: 'c1', methods: ['recovery_code'], otherDomains: ['old.example.org'] }))
    await field('E-mail').fill('ann@example.org')
    await field('Password').fill('a long sentence')
    await userEvent.keyboard('{Enter}')
    await expect.element(page.getByText('Your passkeys belong to old.example.org and do not work here.')).toBeVisible()
  })

  it('are named after a sign-in without them', async () => {
    const server = new TestServer().on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', { body: { ok: false } })
      .on('sign-in', { body: { ok: true, otherDomains: ['old.example.org'] } })
    const { account } = await openSignIn(server)
    await field('E-mail').fill('ann@example.org')
    await field('Password').fill('a long sentence')
    await userEvent.keyboard('{Enter}')
    await expect.element(page.getByRole('dialog', { name: 'Your passkeys do not work here' })).toBeVisible()
    await expect.element(page.getByText('Passkeys for old.example.org work only there')).toBeVisible()
    server.on('/api/auth/session', signedIn)
    await button('Continue').click()
    await expect.poll(() => account.session.state.value.status).toBe('signedIn')
    await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
  })
})

it('says when files of a deleted account are erased', async () => {
  const filesKeptUntil = '2026-12-31T10:00:00Z'
  await openAccount(inServer().on('deletion', { body: { workspaces: [{ id: 'w1', name: 'Mine', members: 0, fate: 'deleted', filesKeptUntil }, { id: 'w2', name: 'Team', members: 4, fate: 'left' }] } }))
  await button('Delete account').click()
  const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(filesKeptUntil))
  await expect.element(page.getByText(`Its files are kept until ${date}, then they are erased.`)).toBeVisible()
  await expect.element(page.getByText('are erased as soon as you confirm')).toBeVisible()
})
