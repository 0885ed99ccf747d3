// What can go wrong, as codes: an app branches on these and shows words of its own.

/** Why something did not work. */
export type SyncErrorCode
  /** The server cannot be reached. */
  = | 'offline'
  /** No one is signed in. */
    | 'signed-out'
  /** The server refuses: the workspace is gone, or the user may not do that there. */
    | 'forbidden'
  /** The server is there and cannot help at present: it starts, is busy, or has sync switched off. */
    | 'unavailable'
  /** The request was refused as it is. */
    | 'bad-request'
  /** The request is larger than the server takes. */
    | 'too-large'
  /** What came back is not an answer of the server, such as the page of a hotel's network. */
    | 'bad-answer'
  /** The database belongs to another user or workspace than the one who is signed in. */
    | 'other-account'
  /** The browser has no more room for this origin. */
    | 'quota'
  /** The database was closed or deleted under way. */
    | 'database'
  /** Something that no one has thought of; `cause` has it. */
    | 'unknown'

/** An error of the library. */
export class SyncError extends Error {
  override readonly name = 'SyncError'
  /** The status of the server's answer, if there was one. */
  readonly status: number | undefined
  /** How long the server asks to be left alone, in milliseconds. */
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

/** The names of an error and of all that have caused it. */
function names(error: unknown): string[] {
  const found: string[] = []
  for (let e = error, depth = 0; e && depth < 8; depth++) {
    const { name, inner, cause } = e as { name?: string, inner?: unknown, cause?: unknown }
    if (name) found.push(name)
    e = inner ?? cause
  }
  return found
}

/** Whatever was thrown as an error of the library. */
export function asSyncError(error: unknown): SyncError {
  if (error instanceof SyncError) return error
  const message = error instanceof Error ? error.message : String(error)
  const is = names(error)
  if (is.includes('QuotaExceededError')) return new SyncError('quota', 'The browser has no more room', { cause: error })
  if (is.some(name => /^(DatabaseClosed|InvalidState|NotFound|OpenFailed|MissingAPI|Unknown|TransactionInactive|VersionChange)Error$/.test(name)))
    return new SyncError('database', `The database cannot be used: ${message}`, { cause: error })
  return new SyncError('unknown', message, { cause: error })
}
