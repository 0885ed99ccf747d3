// HTTP requests to the server.
import { SyncError } from './errors.js'

/** The time limit for a response, in milliseconds. */
const patience = 90_000

/** The longest wait that a server may ask for, in milliseconds. */
const longestPause = 5 * 60_000

export interface Answer {
  /** The parsed body. */
  json: unknown
  /** Its text. */
  text: string
}

export class Http {
  /** How far the server's clock is ahead of this device's, in milliseconds, once known from a response. */
  ahead: number | undefined

  constructor(readonly url: string, readonly fetch: typeof globalThis.fetch, readonly now: () => number) {}

  get(path: string, signal: AbortSignal): Promise<Answer> {
    return this.#json(path, {}, signal)
  }

  post(path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
    return this.#json(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', 'x-or3-cloud-intent': 'mutation' } }, signal)
  }

  async #json(path: string, init: RequestInit, signal: AbortSignal): Promise<Answer> {
    const response = await this.open(path, init, AbortSignal.any([signal, AbortSignal.timeout(patience)]))
    const text = await this.text(response)
    try {
      return { json: JSON.parse(text) as unknown, text }
    }
    catch (cause) {
      throw new SyncError('bad-answer', 'The response did not come from the server', { status: response.status, cause })
    }
  }

  /** The whole body. */
  async text(response: Response): Promise<string> {
    try {
      return await response.text()
    }
    catch (cause) {
      throw new SyncError('offline', 'The connection broke', { cause })
    }
  }

  /** Sends a request, and returns the response if it is successful. */
  async open(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const sent = this.now()
    let response: Response
    try {
      response = await this.fetch(/^https?:/.test(path) ? path : this.url + path, { credentials: 'include', cache: 'no-store', ...init, signal })
    }
    catch (cause) {
      throw new SyncError('offline', 'The server cannot be reached', { cause })
    }
    this.#look(response, sent)
    if (response.ok) return response
    throw await refusal(response, this.now())
  }

  #look(response: Response, sent: number): void {
    const date = Date.parse(response.headers.get('date') ?? '')
    const received = this.now()
    // The header counts whole seconds.
    if (!Number.isNaN(date) && received - sent < 10_000) this.ahead = date + 500 - (sent + received) / 2
  }
}

async function refusal(response: Response, now: number): Promise<SyncError> {
  const { status } = response
  const text = await response.text().catch(() => '')
  let message = `The server answered ${status}`
  try {
    const body = JSON.parse(text) as { message?: unknown, statusMessage?: unknown }
    message = String(body.message ?? body.statusMessage ?? message).slice(0, 500)
  }
  catch { /* whatever it is, it is no reason */ }
  const header = response.headers.get('retry-after')
  const seconds = Number(header ?? NaN)
  const wait = header === null ? NaN : Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1000
  const retryAfter = Number.isNaN(wait) ? undefined : Math.min(longestPause, Math.max(0, wait))
  const code = status === 401
    ? 'signed-out'
    : status === 403
      ? 'forbidden'
      : status === 413
        ? 'too-large'
        : status === 404 || status === 408 || status === 425 || status === 429 || status >= 500 ? 'unavailable' : 'bad-request'
  return new SyncError(code, message, { status, retryAfter })
}
