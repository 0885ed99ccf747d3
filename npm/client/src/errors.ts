// What can go wrong, as codes: an app branches on these and shows its own messages.

/** Why something did not work. */
export type SyncErrorCode
  /** The server cannot be reached. */
  = | 'offline'
  /** No one is signed in. */
    | 'signed-out'
  /** The server refuses: the workspace is gone, or the user may not do that there. */
    | 'forbidden'
  /** The server is up but cannot help right now: it is starting, busy, or has sync switched off. */
    | 'unavailable'
  /** The request is invalid. */
    | 'bad-request'
  /** The request is larger than the server accepts. */
    | 'too-large'
  /** The response did not come from the server, but from a hotel's captive portal, for example. */
    | 'bad-answer'
  /** The database does not belong to the signed-in user or workspace. */
    | 'other-account'
  /** The browser has no space left for this origin. */
    | 'quota'
  /** The database was closed or deleted while in use. */
    | 'database'
  /** Something unexpected; see `cause`. */
    | 'unknown'

/** An error of the library. */
export class SyncError extends Error {
  override readonly name = 'SyncError'
  /** The status of the server's answer, if there was one. */
  readonly status: number | undefined
  /** How long the server asks clients to wait, in milliseconds. */
  readonly retryAfter: number | undefined

  constructor(
    readonly code: SyncErrorCode,
    message: string,
    more: { status?: number, retryAfter?: number | undefined, cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.status = more.status
    this.retryAfter = more.retryAfter
  }
}

/** The names of an error and of all its causes. */
function names(error: unknown): string[] {
  const found: string[] = []
  for (let e = error, depth = 0; e && depth < 8; depth++) {
    const { name, inner, cause } = e as { name?: string, inner?: unknown, cause?: unknown }
    if (name) found.push(name)
    e = inner ?? cause
  }
  return found
}

/** Converts anything that was thrown into an error of the library. */
export function asSyncError(error: unknown): SyncError {
  if (error instanceof SyncError) return error
  const message = error instanceof Error ? error.message : String(error)
  const is = names(error)
  if (is.includes('QuotaExceededError')) return new SyncError('quota', 'The browser has no space left', { cause: error })
  if (is.some(name => /^(DatabaseClosed|InvalidState|NotFound|OpenFailed|MissingAPI|Unknown|TransactionInactive|VersionChange)Error$/.test(name)))
    return new SyncError('database', `The database cannot be used: ${message}`, { cause: error })
  return new SyncError('unknown', message, { cause: error })
}
