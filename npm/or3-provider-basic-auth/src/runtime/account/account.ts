import { shallowRef, watch } from 'vue'
import { createApi } from './api/api'
import { Or3Error } from './api/error'
import { accountKey, type Account } from './context'
import { inspectLink, takeLink } from './links'
import { translationKey, type Translation } from './messages/text'
import { createPasskeys, type Passkeys } from './passkeys/passkeys'
import { createEndings } from './session/ending'
import { createRenewal } from './session/renewal'
import { createSession } from './session/session'
import { createOutbox } from './unsent/outbox'
import type { Unsent } from './unsent/unsent'

export interface AccountOptions {
  window: Window
  fetch?: typeof globalThis.fetch
  baseUrl?: string
  passkeys?: Passkeys
  translation?: Translation
  /**
   * Returns the edits in this browser that the server does not have yet, before a sign-out. Without it, the
   * page reads OR3 Chat's outbox.
   */
  unsentChanges?: () => Unsent | Promise<Unsent>
  /** Runs after the server has confirmed a sign-out. */
  afterSignOut?: () => void | Promise<void>
}

export function createAccount(options: AccountOptions): Account {
  const { window } = options
  const fetch = options.fetch ?? window.fetch.bind(window)
  // On a page without HTTPS there are no locks; then each tab renews on its own, and the server's grace window does
  // the rest.
  const locks: LockManager | undefined = window.navigator.locks

  const endings = createEndings(() => window.localStorage)
  const renew = createRenewal({
    async refresh() {
      const { ok, ended } = await api.refresh()
      if (ended) endings.note(ended)
      return ok
    },
    isSignedIn: async () => (await api.session())?.authenticated === true,
    locks,
  })
  const api = createApi({ fetch, baseUrl: options.baseUrl, renew: renewOrLook })
  const session = createSession({
    api,
    renew,
    window,
    async afterSignOut() {
      endings.left()
      await options.afterSignOut?.()
    },
  })

  const outbox = createOutbox({
    databases: window.indexedDB,
    async workspaces() {
      if (session.state.value.status !== 'signedIn') throw new Or3Error('session_expired')
      return (await api.workspaces()).map(({ id }) => id)
    },
  })

  // Once the user is signed in again, it is no longer needed.
  watch(() => session.state.value.status, (status) => {
    if (status === 'signedIn') endings.clear()
  }, { flush: 'sync' })

  async function renewOrLook() {
    if (await renew()) return true
    void session.look()
    return false
  }

  let claimed: unknown

  const account: Account = {
    api,
    session,
    endings,
    passkeys: options.passkeys ?? createPasskeys(window),
    unsentChanges: async () => (options.unsentChanges ?? outbox)(),
    renew,
    link: shallowRef(takeLink(window)),
    async inspectLink() {
      const { link } = account
      const taken = link.value
      if (!taken) return
      const inspected = await inspectLink(api, taken)
      if (link.value === taken) link.value = inspected
    },
    claimEnd() {
      const { status, person } = session.state.value
      const end = status === 'ended' ? person : status === 'signedOut' ? endings.why.value : ''
      const claim = !!end && end !== claimed
      claimed = end
      return claim
    },
    async arrive() {
      const { status, problem } = await session.changed()
      if (status !== 'signedIn') throw new Or3Error(problem ?? 'unexpected')
    },
    install(app) {
      app.provide(accountKey, account)
      if (options.translation) app.provide(translationKey, options.translation)
      app.onUnmount(session.start())
    },
  }
  return account
}
