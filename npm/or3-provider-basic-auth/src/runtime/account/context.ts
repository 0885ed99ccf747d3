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
  /** Why the session of this browser ended, if the server has said so. */
  endings: Endings
  /** unsentChanges reports the changes in this browser that are not on the server. */
  unsentChanges: () => Promise<Unsent>
  /** renew is the single-flight silent renewal; true if there is a session afterwards. */
  renew: () => Promise<boolean>
  /** The one-time link that the page was opened with, until it has been handled and set to null. */
  link: ShallowRef<AccountLink | null>
  /** inspectLink asks the server what `link` is for, and stores the answer in it. */
  inspectLink(): Promise<void>
  /**
   * claimEnd is true for the first caller after a session has ended, even if the page was closed then: only one
   * component reacts to that.
   */
  claimEnd(): boolean
  /** arrive is called after a sign-in: it looks up the user, tells the host, and fails if no one is signed in. */
  arrive(): Promise<void>
  install(app: App): void
}

export const accountKey: InjectionKey<Account> = Symbol('or3 account')

/** useAccountIfActive is for components that may be on a page of another provider; it returns null there. */
export function useAccountIfActive(): Account | null {
  return inject(accountKey, null)
}

export function useAccount(): Account {
  const account = useAccountIfActive()
  if (!account) throw new Error('or3-provider-basic-auth: install createAccount() in the Vue app before its components are used.')
  return account
}
