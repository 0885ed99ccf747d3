import type { Or3ErrorCode } from '../api/error'
import type { signInWords } from '../messages/en/signIn'
import type { Text } from '../messages/text'

type Words = Pick<typeof signInWords, 'field.missing' | 'field.password' | 'field.newPassword' | 'field.confirmPassword' | 'error.password_too_short' | 'error.passwords_differ'>

/** The errors about a new password, and the field under which they are shown. */
export function passwordFields<Field extends string>(password: Field, confirm: Field): Partial<Record<Or3ErrorCode, Field>> {
  return {
    invalid_password: password,
    password_breached: password,
    password_contains_context: password,
    password_too_common: password,
    password_too_short: password,
    passwords_differ: confirm,
  }
}

/** The length as the server counts it: in characters, not in code units. */
const lengthOf = (password: string) => [...password.normalize('NFKC')].length

/** Checks a new password before it is sent. Errors are by field: the first field and the one that repeats it. */
export function newPasswordFaults<P extends string, C extends string>(t: Text<Words>, values: Record<P | C, string>, min: number): Partial<Record<P | C, string>> {
  const [first, second] = Object.keys(values) as [P, C]
  const faults: Partial<Record<P | C, string>> = {}
  if (lengthOf(values[first]) < min) faults[first] = t('error.password_too_short', { min })
  else if (values[first] !== values[second]) faults[second] = t('error.passwords_differ')
  return faults
}
