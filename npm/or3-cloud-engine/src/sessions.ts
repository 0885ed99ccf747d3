import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from './client.js'
import { EngineError } from './errors.js'
import type { BrowserRequest, Caller, SessionAnswer } from './methods.js'

/** How many answers are remembered: one for each active browser. They take a few hundred bytes each. */
const defaultLimit = 10_000
/**
 * The pauses before watching again, in milliseconds. The longer one is for engines that cannot watch, because the
 * provider lacks that ability.
 */
const shortPause = 500
const longPause = 60_000

export interface SessionMemoryOptions {
  /** The clock, in Unix milliseconds. */
  now?: () => number
  limit?: number
}

/**
 * Who sent a request, without asking the engine each time. An answer of `auth/session` may be reused for the
 * same Cookie header by four rules (docs/engine.md):
 *
 * 1. only while a stream `auth/revocations` is open that has said `watching`; when it ends, everything is forgotten;
 * 2. until `reusableUntil`, or an event `revoked` that names its session or its user;
 * 3. not at all if an event came between the request and the answer, or if the answer sets cookies;
 * 4. not after an answer to an account change was forwarded: the event about it may come later (doubt).
 */
export class SessionMemory {
  readonly #client: Client
  readonly #now: () => number
  readonly #limit: number
  readonly #answers = new Map<string, SessionAnswer>()
  readonly #stop = new AbortController()
  #watching = false
  #watcher: Promise<void> | undefined
  /** Counts events that make a pending answer obsolete. */
  #news = 0

  constructor(client: Client, { now = Date.now, limit = defaultLimit }: SessionMemoryOptions = {}) {
    this.#client = client
    this.#now = now
    this.#limit = limit
  }

  /** Whether answers are currently remembered. */
  get watching(): boolean {
    return this.#watching
  }

  /** How many answers are remembered. */
  get size(): number {
    return this.#answers.size
  }

  /** Answers `auth/session`. Its errors are those of Client.call. */
  async ask(request: BrowserRequest, caller: Caller, options: { signal?: AbortSignal } = {}): Promise<SessionAnswer> {
    this.#watcher ??= this.#watch()
    const cookie = cookieOf(request)
    const known = this.#recall(cookie)
    if (known) return known
    const { watching } = this
    const news = this.#news
    const answer = await this.#client.call('auth/session', { request }, caller, options)
    if (watching && news === this.#news) this.#remember(cookie, answer)
    return answer
  }

  /** Makes every session be requested again. */
  doubt(): void {
    this.#news++
    this.#answers.clear()
  }

  /** Ends the watch. From then on every request goes to the engine. */
  close(): void {
    this.#stop.abort()
    this.#forget()
  }

  #recall(cookie: string): SessionAnswer | undefined {
    if (!this.#watching) return undefined
    const known = this.#answers.get(cookie)
    if (!known) return undefined
    this.#answers.delete(cookie)
    if (this.#now() >= (known.reusableUntil ?? 0)) return undefined
    this.#answers.set(cookie, known) // the most recently used is last
    return known
  }

  #remember(cookie: string, answer: SessionAnswer): void {
    if (answer.setCookies.length > 0 || !answer.session || this.#now() >= (answer.reusableUntil ?? 0)) return
    Object.freeze(answer.session)
    Object.freeze(answer.setCookies)
    this.#answers.set(cookie, Object.freeze(answer))
    for (const [oldest] of this.#answers) {
      if (this.#answers.size <= this.#limit) break
      this.#answers.delete(oldest)
    }
  }

  #forget(): void {
    this.#watching = false
    this.doubt()
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      let rest = shortPause
      try {
        for await (const { name, data } of this.#client.events('auth/revocations', { caller: undefined, signal })) {
          if (name === 'watching') this.#watching = true
          else if (name === 'revoked') this.#revoke(data)
        }
      }
      catch (error) {
        if (error instanceof EngineError && error.status === 501) rest = longPause
      }
      this.#forget()
      await pause(rest, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  #revoke(data: string): void {
    this.#news++
    const { userId, sessionId } = readRevocation(data)
    for (const [cookie, { session }] of this.#answers) {
      const concerned
        = (!userId && !sessionId)
          || (sessionId && session?.sessionId === sessionId)
          || (userId && session?.userId === userId)
      if (concerned) this.#answers.delete(cookie)
    }
  }
}

/** An event that cannot be read names no one, so it applies to everyone. */
function readRevocation(data: string): { userId?: string, sessionId?: string } {
  try {
    const value: unknown = JSON.parse(data)
    if (typeof value !== 'object' || value === null) return {}
    return {
      ...('userId' in value && typeof value.userId === 'string' && { userId: value.userId }),
      ...('sessionId' in value && typeof value.sessionId === 'string' && { sessionId: value.sessionId }),
    }
  }
  catch {
    return {}
  }
}

function cookieOf(request: BrowserRequest): string {
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.toLowerCase() === 'cookie') return value
  }
  return ''
}
