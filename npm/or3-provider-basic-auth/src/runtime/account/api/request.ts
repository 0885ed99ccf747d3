import { Or3Error, isOr3ErrorCode, type Or3ErrorCode, type Or3ErrorDetails } from './error'

export interface RequestOptions {
  body?: unknown
  signal?: AbortSignal
  /** Codes for statuses that an older server sends without one. */
  codes?: Partial<Record<number, Or3ErrorCode>>
}

export type Request = <T>(method: 'GET' | 'POST', path: string, options?: RequestOptions) => Promise<T>

export interface RequestSettings {
  fetch: typeof globalThis.fetch
  baseUrl?: string
  timeoutMs?: number
}

const codeOfStatus: Partial<Record<number, Or3ErrorCode>> = {
  400: 'invalid_request',
  401: 'session_expired',
  404: 'not_found',
  429: 'rate_limited',
}

/**
 * createRequest returns the only function that talks to the server: JSON in, JSON out, with a timeout, and an Or3Error
 * for every failure.
 */
export function createRequest({ fetch, baseUrl = '', timeoutMs = 20_000 }: RequestSettings): Request {
  return async <T>(method: 'GET' | 'POST', path: string, { body, signal, codes }: RequestOptions = {}) => {
    const abort = new AbortController()
    const stop = () => abort.abort()
    let late = false
    const timer = setTimeout(() => {
      late = true
      stop()
    }, timeoutMs)
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted) stop()
    try {
      const response = await fetch(baseUrl + path, {
        method,
        cache: 'no-store',
        credentials: 'same-origin',
        headers: { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: abort.signal,
      })
      const answer: unknown = await response.json()
      if (!response.ok) throw refusal(response, answer, codes)
      return answer as T
    }
    catch (cause) {
      if (cause instanceof Or3Error) throw cause
      if (late) throw new Or3Error('timeout', { cause })
      if (abort.signal.aborted) throw new Or3Error('cancelled', { cause })
      // A body that is not JSON comes from something between us and the server: a proxy's error page, a captive portal.
      throw new Or3Error(cause instanceof SyntaxError ? 'unavailable' : 'offline', { cause })
    }
    finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
  }
}

function refusal(response: Response, answer: unknown, codes: RequestOptions['codes']): Or3Error {
  const { code, ...details } = dataOf(answer)
  const fallback = codes?.[response.status] ?? codeOfStatus[response.status] ?? (response.status >= 500 ? 'unavailable' : 'unexpected')
  return new Or3Error(isOr3ErrorCode(code) ? code : fallback, {
    status: response.status,
    retryAfter: Number(response.headers.get('Retry-After')) || 0,
    details,
  })
}

function dataOf(answer: unknown): Or3ErrorDetails & { code?: unknown } {
  if (typeof answer !== 'object' || answer === null || !('data' in answer)) return {}
  return typeof answer.data === 'object' && answer.data !== null ? answer.data : {}
}
