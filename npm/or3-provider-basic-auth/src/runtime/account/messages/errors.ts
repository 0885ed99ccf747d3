import { isOr3Error } from '../api/error'
import type { errorWords } from './en/errors'
import type { Text } from './text'

/** errorText returns the message for an error. `seconds` is the rest of a rate limit. */
export function errorText(t: Text<typeof errorWords>, error: unknown, seconds?: number): string {
  if (!isOr3Error(error)) return t('error.unexpected')
  const { code, details } = error
  if (code === 'rate_limited') return t('error.rate_limited', { seconds: seconds ?? error.retryAfter })
  if (code === 'invalid_code') return t('error.invalid_code', { attemptsLeft: details.attemptsLeft })
  if (code === 'password_too_short') return t('error.password_too_short', { min: details.min })
  return t(`error.${code}`)
}
