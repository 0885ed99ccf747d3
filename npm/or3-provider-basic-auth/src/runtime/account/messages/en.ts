import { accountWords } from './en/account'
import { signInWords } from './en/signIn'
import { unsentWords } from './en/unsent'

export { accountWords } from './en/account'
export { commonWords } from './en/common'
export { errorWords } from './en/errors'
export { eventWords } from './en/events'
export { signInWords } from './en/signIn'
export { triggerWords } from './en/trigger'
export { unsentWords } from './en/unsent'

/**
 * Every English word of the account pages, as the one flat object that a translation follows. A part is a file of its
 * own, so that the button loads only its words.
 */
export const english = { ...unsentWords, ...signInWords, ...accountWords }

export type Messages = typeof english
