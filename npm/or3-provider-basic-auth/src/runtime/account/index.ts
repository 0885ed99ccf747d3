/**
 * The account pages without Nuxt: install `createAccount()` in a Vue app, then use the components below `components/`.
 */
export { createAccount, type AccountOptions } from './account'
export { useAccount, type Account } from './context'
export { Or3Error, isOr3Error, type Or3ErrorCode } from './api/error'
export { useSignInFlow, type SignInFlow, type SignInFlowOptions, type SignInView } from './forms/flow'
export type { AccountLink } from './links'
export type { Translation } from './messages/text'
export { sessionChanged } from './session/session'
export type { Person, SessionState } from './session/status'
export type { Ending } from './session/ending'
export type { Unsent } from './unsent/unsent'
export { useReauthentication } from './reauthentication'
