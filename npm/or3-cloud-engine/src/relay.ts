import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { encodeCaller, type Client } from './client.js'
import { unavailable } from './errors.js'
import { callerHeader, type BrowserRequest, type Caller } from './methods.js'

/**
 * Headers of one connection (RFC 9110 §7.6.1), which are not passed on; `expect` is answered by the host's own server.
 */
const hopByHop = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function endToEnd(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const dropped = new Set(
    (headers.connection ?? '')
      .toLowerCase()
      .split(',')
      .map(name => name.trim()),
  )
  return Object.fromEntries(
    Object.entries(headers).filter(([name, value]) => value !== undefined && !hopByHop.has(name) && !dropped.has(name)),
  )
}

/** The part of a browser's request that an auth provider may see, for `auth/session` and `auth/token`. */
export function browserRequest(
  request: IncomingMessage,
  { answerBegun = false }: { answerBegun?: boolean } = {},
): BrowserRequest {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(endToEnd(request.headers))) {
    if (name !== callerHeader && value !== undefined)
      headers[name] = Array.isArray(value) ? value.join(', ') : String(value)
  }
  return { method: request.method ?? 'GET', url: addressed(request), headers, ...(answerBegun && { answerBegun }) }
}

/** The path and query that the browser requested, even if a router has shortened the path. */
function addressed(request: IncomingMessage): string {
  const url
    = ('originalUrl' in request && typeof request.originalUrl === 'string' && request.originalUrl) || request.url || '/'
  if (url.startsWith('/')) return url
  const { pathname, search } = new URL(url) // RFC 9112 §3.2.2: a proxy may ask for all of it
  return pathname + search
}

export interface RelayOptions {
  /**
   * The caller, after the host's own checks. It is always sent, so that it replaces any such header from a browser.
   */
  caller: Caller
  /** Path and query, if they differ from those of the request. */
  path?: string
  /** Receives the status of the answer before any of it is returned. */
  answered?: (status: number) => void
}

/**
 * Forwards a browser's request, and returns the answer; both are streamed, not buffered. It resolves when the answer
 * has been sent or the browser is gone.
 *
 * @throws EngineError `unavailable` if no part of an answer has been sent yet; the host can then still answer.
 * Later errors break the browser's connection.
 */
export async function relay(
  client: Client,
  request: IncomingMessage,
  response: ServerResponse,
  { caller, path = addressed(request), answered: tell }: RelayOptions,
): Promise<void> {
  const { transport } = await client.connect()
  if (response.destroyed) return
  await new Promise<void>((resolve, reject) => {
    const asked = transport.begin({
      method: request.method ?? 'GET',
      path,
      headers: { ...endToEnd(request.headers), [callerHeader]: encodeCaller(caller) },
    })
    let answered = false
    const letGo = (): void => {
      request.unpipe(asked)
      request.resume() // discard what the browser still sends, so that it reads the answer
    }
    asked.once('response', (answer) => {
      answered = true
      response.statusCode = answer.statusCode ?? 502
      tell?.(response.statusCode)
      for (const [name, value] of Object.entries(endToEnd(answer.headers))) {
        if (name === 'set-cookie') response.appendHeader(name, ([] as string[]).concat(value as string[]))
        else if (value !== undefined) response.setHeader(name, value)
      }
      pipeline(answer, response, () => {
        // an error has destroyed the response, which is how the browser learns of it
        letGo()
        resolve()
      })
    })
    asked.on('error', (error) => {
      if (answered) return // the engine may answer before it has read everything
      letGo()
      if (response.destroyed) resolve()
      else reject(unavailable(error))
    })
    response.once('close', () => {
      if (!response.writableFinished) asked.destroy()
      resolve()
    })
    request.once('error', error => asked.destroy(error))
    if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined)
      request.pipe(asked)
    else asked.end()
  })
}
