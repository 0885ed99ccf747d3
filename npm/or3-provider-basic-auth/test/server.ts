/** A stand-in for the server: it answers by path, and remembers what it was asked. */

type Answer = { status?: number, body?: unknown, headers?: Record<string, string> }
type Handler = Answer | ((body: unknown) => Answer | Promise<Answer>)

export interface Asked { method: string, path: string, body: unknown }

export class TestServer {
  readonly asked: Asked[] = []
  private readonly handlers = new Map<string, Handler[]>()

  /** on sets the answers of one path in order; the last one stays. */
  on(path: string, ...answers: Handler[]): this {
    this.handlers.set(path, answers)
    return this
  }

  refuse(path: string, status: number, code: string, data: object = {}, headers: Record<string, string> = {}): this {
    return this.on(path, refusal(status, code, data, headers))
  }

  count(path: string): number {
    return this.asked.filter(request => request.path === path).length
  }

  last(path: string): unknown {
    return this.asked.findLast(request => request.path === path)?.body
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const path = String(input).replace('/api/basic-auth/', '')
    const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined
    this.asked.push({ method: init?.method ?? 'GET', path, body })
    const handlers = this.handlers.get(path)
    if (!handlers?.length) return new Response('{"statusCode":404,"message":"Not found"}', { status: 404 })
    const handler = handlers.length > 1 ? handlers.shift()! : handlers[0]!
    const waiting = typeof handler === 'function' ? handler(body) : handler
    const answer = await Promise.race([waiting, aborted(init?.signal)])
    return new Response(JSON.stringify(answer.body ?? { ok: true }), { status: answer.status ?? 200, headers: answer.headers })
  }
}

export function refusal(status: number, code: string, data: object = {}, headers: Record<string, string> = {}): Answer {
  return { status, body: { statusCode: status, statusMessage: 'refused', message: 'refused', data: { code, ...data } }, headers }
}

/** A fetch that is never answered, but ends when it is aborted. */
export const never = () => new Promise<never>(() => {})

function aborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError'))))
}

export const ann = { authenticated: true, provider: 'basic-auth', user: { id: 'u1', email: 'ann@example.org', displayName: 'Ann Lee' } }

export const signedIn: Answer = { body: { session: ann } }
export const signedOut: Answer = { body: { session: null } }

export const config = { registration: 'open', mail: true, passkeys: true, passwordMinLength: 8, setupRequired: false }

export const details = {
  account: { id: 'a1', email: 'ann@example.org', displayName: 'Ann Lee', createdAt: '2026-01-02T03:04:05Z' },
  device: { browser: 'Chrome', system: 'Linux' },
  totp: { enabled: false },
  recoveryCodesLeft: 0,
  passkeys: [],
}
