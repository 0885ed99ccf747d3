// The line between a device and the server: every request and every answer waits at a gate until the schedule lets it
// through, loses it, doubles it, or answers for the server.
import type { Random } from '../random.js'
import type { Browser } from '../server.js'
import type { Ledger } from './ledger.js'
import type { Clock } from './realm.js'

export type Fate = 'go' | 'lose' | 'double' | 'refuse'

/** Something that waits at the gate: a request that was not sent, or an answer that was not delivered. */
export interface Held { phase: 'request' | 'answer', owner: object, end: (fate: Fate) => void }

/** What may stand between a device and its server, and answer for it. */
const refusals = [
  () => new Response('{"message":"Starting"}', { status: 503, headers: { 'retry-after': '1' } }),
  () => new Response('{"message":"Not Found"}', { status: 404 }),
  () => new Response('oops', { status: 500 }),
  () => new Response('{"message":"Unauthorized"}', { status: 401 }),
  () => new Response('{"message":"Forbidden"}', { status: 403 }),
  () => new Response('{"message":"Slow down"}', { status: 429 }),
  () => new Response('{"message":"Bad Request"}', { status: 400 }),
  () => new Response('{"message":"Too large"}', { status: 413 }),
  () => new Response('<html>Welcome to the hotel', { status: 200 }),
]

/** What a device's lines share with the schedule. */
export interface Yard {
  readonly clock: Clock
  readonly random: Random
  readonly ledger: Ledger
  /** Nothing waits any more. */
  open: boolean
  /** Something has come to a gate. */
  moved: () => void
}

export class Line {
  offline = false
  readonly held = new Set<Held>()

  constructor(readonly device: number, readonly browser: Browser, readonly yard: Yard) {}

  /** The `fetch` of a tab, by which the tab's requests are known. */
  fetch(owner: object): typeof globalThis.fetch {
    return async (input, init = {}) => {
      const path = String(input).slice(this.browser.url.length)
      const signal = init.signal ?? new AbortController().signal
      if (this.offline) throw new TypeError('offline')
      const fate = await this.#gate('request', owner, signal)
      if (fate === 'lose' || this.offline) throw new TypeError('not sent')
      if (fate === 'refuse') return this.yard.random.pick(refusals)()
      if (fate === 'double' && path.startsWith('/api/sync/')) await this.#send(path, String(input), init)
      const [response, body] = await this.#send(path, String(input), init)
      if (await this.#gate('answer', owner, signal) === 'lose') throw new TypeError('answer lost')
      return this.#deliver(path, response, body)
    }
  }

  /** A tab is gone without a word: what it has sent it will not hear of. */
  cut(owner: object): void {
    for (const held of this.held) if (held.owner === owner) this.held.delete(held)
  }

  async #send(path: string, url: string, { method, headers, body }: RequestInit): Promise<[Response, ArrayBuffer]> {
    const push = path === '/api/sync/push' ? this.yard.ledger.sent(String(body), this.device) : undefined
    // The request is on its way even if the tab is closed meanwhile.
    const response = await this.browser.fetch(url, { ...(method ? { method } : {}), ...(headers ? { headers } : {}), ...(body ? { body } : {}) })
    const answer = await response.arrayBuffer()
    const text = new TextDecoder().decode(answer)
    push?.(response.status, text)
    if (['/api/sync/pull', '/api/sync/snapshot'].includes(path) && response.ok) this.yard.ledger.answered(text)
    return [response, answer]
  }

  #deliver(path: string, response: Response, body: ArrayBuffer): Response {
    const headers = new Headers(response.headers)
    headers.set('date', new Date(this.yard.clock.now).toUTCString())
    if (path !== '/api/sync/pull' || !response.ok || this.yard.open || !this.yard.random.chance(0.03)) return new Response(body, { status: response.status, headers })
    const text = new TextDecoder().decode(body).replace('"requiresSnapshot":false', '"requiresSnapshot":true')
    return new Response(text, { status: response.status, headers })
  }

  #gate(phase: Held['phase'], owner: object, signal: AbortSignal): Promise<Fate> {
    signal.throwIfAborted()
    if (this.yard.open) return Promise.resolve('go')
    return new Promise((resolve, reject) => {
      const gone = (): void => {
        this.held.delete(held)
        reject(signal.reason as Error)
      }
      const held: Held = {
        phase, owner,
        end: (fate) => {
          this.held.delete(held)
          signal.removeEventListener('abort', gone)
          resolve(fate)
        },
      }
      signal.addEventListener('abort', gone, { once: true })
      this.held.add(held)
      this.yard.moved()
    })
  }
}
