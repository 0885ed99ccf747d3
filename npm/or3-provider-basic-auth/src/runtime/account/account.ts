import { shallowRef } from 'vue'
import { createApi } from './api/api'
import { Or3Error } from './api/error'
import { accountKey, type Account } from './context'
import { inspectLink, takeLink } from './links'
import { translationKey, type Translation } from './messages/text'
import { createPasskeys, type Passkeys } from './passkeys/passkeys'
import { createRenewal } from './session/renewal'
import { createSession } from './session/session'
import type { Person } from './session/status'

export interface AccountOptions {
  window: Window
  fetch?: typeof globalThis.fetch
  baseUrl?: string
  passkeys?: Passkeys
  translation?: Translation
  /** How many changes of this device have not reached the server: asked before signing out. */
  unsentChanges?: () => number | Promise<number>
  /** Runs after the server has confirmed a sign-out. */
  afterSignOut?: () => void | Promise<void>
}

export function createAccount(options: AccountOptions): Account {
  const { window } = options
  const fetch = options.fetch ?? window.fetch.bind(window)
  // On a page without HTTPS a browser has no locks; then each tab renews for itself, and the server's grace window does the rest.
  const locks: LockManager | undefined = window.navigator.locks

  const renew = createRenewal({
    refresh: () => api.refresh(),
    isSignedIn: async () => (await api.session())?.authenticated === true,
    locks,
  })
  const api = createApi({ fetch, baseUrl: options.baseUrl, renew: renewOrLook })
  const session = createSession({ api, renew, window, afterSignOut: options.afterSignOut })

  async function renewOrLook() {
    if (await renew()) return true
    void session.look()
    return false
  }

  let endClaimedFor: Person | null = null

  const account: Account = {
    api,
    session,
    passkeys: options.passkeys ?? createPasskeys(),
    unsentChanges: options.unsentChanges ?? (() => 0),
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
      const claim = session.state.value.status === 'ended' && endClaimedFor !== session.state.value.person
      endClaimedFor = session.state.value.person
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
