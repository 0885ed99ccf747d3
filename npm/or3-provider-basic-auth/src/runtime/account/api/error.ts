/**
 * Codes that the server sends in `data.code`, and codes from the browser side. Pages branch on these, never on
 * message texts.
 */
export const or3ErrorCodes = [
  'account_disabled', 'already_enabled', 'email_taken', 'invalid_code', 'invalid_credentials', 'invalid_display_name', 'invalid_email',
  'invalid_password', 'invalid_request', 'invalid_token', 'invite_invalid', 'invite_required', 'last_owner', 'mail_not_configured', 'not_found',
  'passkey_exists', 'password_breached', 'password_contains_context', 'password_too_common', 'password_too_short', 'passwords_differ',
  'proxy_misconfigured', 'rate_limited', 'reauthentication_required', 'registration_disabled', 'second_factor_demanded',
  'second_factor_required', 'session_expired', 'setup_invalid', 'unavailable',
  'cancelled', 'offline', 'passkey_failed', 'passkey_unsupported', 'timeout', 'unexpected',
] as const

export type Or3ErrorCode = typeof or3ErrorCodes[number]

/** What the server may add to a code. */
export interface Or3ErrorDetails {
  field?: string
  min?: number
  attemptsLeft?: number
  challenge?: string
  methods?: string[]
  publicKey?: unknown
  workspaces?: { id: string, name: string }[]
}

/** Any failure of this package. `status` is 0 if there was no response; `retryAfter` is in seconds. */
export class Or3Error extends Error {
  readonly code: Or3ErrorCode
  readonly status: number
  readonly retryAfter: number
  readonly details: Or3ErrorDetails

  constructor(code: Or3ErrorCode, options: { status?: number, retryAfter?: number, details?: Or3ErrorDetails, cause?: unknown } = {}) {
    super(code, { cause: options.cause })
    this.name = 'Or3Error'
    this.code = code
    this.status = options.status ?? 0
    this.retryAfter = options.retryAfter ?? 0
    this.details = options.details ?? {}
  }
}

export function isOr3Error(value: unknown, ...codes: Or3ErrorCode[]): value is Or3Error {
  return value instanceof Or3Error && (codes.length === 0 || codes.includes(value.code))
}

export function isOr3ErrorCode(value: unknown): value is Or3ErrorCode {
  return (or3ErrorCodes as readonly unknown[]).includes(value)
}
