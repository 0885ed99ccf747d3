import type { Fault, FaultCode } from './methods.js'

/**
 * A fault of the protocol, or an engine that cannot be reached: then the code is `unavailable` and the status 503.
 * `statusCode` and `statusMessage` are what h3's `createError` looks for, so a host throws `createError(error)`. The
 * message is fit for a browser; the cause is for the log.
 */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: FaultCode
  /** The HTTP status. */
  readonly status: number
  /** In seconds, for the header Retry-After; undefined if waiting does not help. */
  readonly retryAfter: number | undefined
  readonly data: unknown

  constructor(fault: Omit<Fault, 'data'> & { data?: unknown }, options?: ErrorOptions) {
    super(fault.message, options)
    this.code = fault.code
    this.status = fault.status
    this.retryAfter = fault.retryAfter
    this.data = fault.data
  }

  get statusCode(): number {
    return this.status
  }

  get statusMessage(): string {
    return this.message
  }
}

/** The engine is unavailable. This never means "signed out" or "not found". */
export function unavailable(cause: unknown, retryAfter = 1): EngineError {
  return new EngineError(
    { code: 'unavailable', status: 503, message: 'The cloud is temporarily unavailable', retryAfter },
    { cause },
  )
}

/**
 * Reads the body of an error. If it is not a fault of the protocol, something else listens there, which
 * is the same as no engine.
 */
export function faultOf(status: number, text: string): EngineError {
  try {
    const fault: unknown = JSON.parse(text)
    if (isFault(fault) && fault.status === status) return new EngineError(fault)
  }
  catch {
    // told below
  }
  return unavailable(
    new Error(`what listens there is not an engine: it answers ${status} ${JSON.stringify(text.slice(0, 200))}`),
  )
}

function isFault(value: unknown): value is Fault {
  return (
    typeof value === 'object'
    && value !== null
    && 'code' in value
    && typeof value.code === 'string'
    && 'message' in value
    && typeof value.message === 'string'
    && 'status' in value
    && typeof value.status === 'number'
    && value.status >= 400
    && (!('retryAfter' in value) || typeof value.retryAfter === 'number')
  )
}

export type ProblemCode
  = | 'unsupported-platform' // there is no program for this platform
    | 'not-installed' // the package of the platform is missing
    | 'other-platform' // what is installed or built in is for another platform
    | 'bad-setting' // OR3_CLOUD_BIN or OR3_CLOUD_URL is wrong
    | 'not-executable'
    | 'version' // there is no common protocol version
    | 'ended' // the program ended, or could not be started
    | 'unreachable' // nothing answers at OR3_CLOUD_URL

/**
 * Why there is no engine, for the host's operator: the message says what was found, what was expected and what helps.
 */
export class EngineProblem extends Error {
  override readonly name = 'EngineProblem'
  readonly code: ProblemCode

  constructor(code: ProblemCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  /** Whether retrying is useless until a person has done something. */
  get lasting(): boolean {
    return this.code !== 'ended' && this.code !== 'unreachable'
  }
}
