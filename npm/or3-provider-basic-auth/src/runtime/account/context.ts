import { inject, type App, type InjectionKey, type ShallowRef } from 'vue'
import type { AccountApi } from './api/api'
import type { AccountLink } from './links'
import type { Passkeys } from './passkeys/passkeys'
import type { Endings } from './session/ending'
import type { AccountSession } from './session/session'
import type { Unsent } from './unsent/unsent'

/** Account is what the components work with: one per page, installed as a Vue plugin. */
export interface Account {
  api: AccountApi
  session: AccountSession
  passkeys: Passkeys
  /** What has ended the session of this browser, as far as the server has said so. */
  endings: Endings
  /** unsentChanges says what of this browser is not on the server. */
  unsentChanges: () => Promise<Unsent>
  /** renew is the single-flight silent renewal; true when there is a session afterwards. */
  renew: () => Promise<boolean>
  /** The one-time link with which the page was opened, until it is dealt with and set to null. */
  link: ShallowRef<AccountLink | null>
  /** inspectLink asks what `link` is good for, and puts the answer there. */
  inspectLink(): Promise<void>
  /**
   * claimEnd is true for the first who asks after a session has ended, also while the page was not open: only one
   * component reacts to that.
   */
  claimEnd(): boolean
  /** arrive is called after a sign-in: it looks up who it is, tells the host, and fails if no one is signed in. */
  arrive(): Promise<void>
  install(app: App): void
}

export const accountKey: InjectionKey<Account> = Symbol('or3 account')

/** useAccountIfActive is for what may stand on a page of another provider; there it gives null. */
export function useAccountIfActive(): Account | null {
  return inject(accountKey, null)
}

export function useAccount(): Account {
  const account = useAccountIfActive()
  if (!account) throw new Error('or3-provider-basic-auth: install createAccount() in the Vue app before its components are used.')
  return account
}
