import { inject, type App, type InjectionKey } from 'vue'

/** The prefix of the admin endpoints. */
const prefix = '/api/or3/admin/'

/** Any failed request. `status` is 0 if there was no response; `message` is for the user. */
export class AdminError extends Error {
  readonly status: number

  constructor(status: number, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'AdminError'
    this.status = status
  }
}

export type Query = Record<string, string | number | boolean | undefined>

/** Admin calls the admin API: get to read, post or put to change something. */
export interface Admin {
  get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T>
  post<T>(path: string, body?: unknown): Promise<T>
  put<T>(path: string, body: unknown): Promise<T>
  /** events opens a stream of events. */
  events(path: string, query: Query): EventSource
  /** Called when the server no longer recognizes the administrator. */
  onEnded(call: () => void): void
  install(app: App): void
}

export interface AdminSettings {
  fetch: typeof globalThis.fetch
  /** Renews the session of an account; true if there is a session afterwards. */
  renew: () => Promise<boolean>
  timeoutMs?: number
}

const adminKey: InjectionKey<Admin> = Symbol('or3 admin')

export function useAdmin(): Admin {
  const admin = inject(adminKey)
  if (!admin) throw new Error('install createAdmin() in the Vue app before its pages are used.')
  return admin
}

export function createAdmin({ fetch, renew, timeoutMs = 30_000 }: AdminSettings): Admin {
  let ended = () => {}

  async function ask<T>(method: 'GET' | 'POST' | 'PUT', path: string, { body, signal }: { body?: unknown, signal?: AbortSignal } = {}): Promise<T> {
    const limit = new AbortController()
    const stop = () => limit.abort()
    const timer = setTimeout(stop, timeoutMs)
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted) stop()
    try {
      const response = await fetch(prefix + path, {
        method,
        cache: 'no-store',
        credentials: 'same-origin',
        headers: {
          'Accept': 'application/json',
          ...(method !== 'GET' ? { 'Content-Type': 'application/json', 'x-or3-admin-intent': 'admin' } : {}),
        },
        body: method !== 'GET' ? JSON.stringify(body ?? {}) : undefined,
        signal: limit.signal,
      })
      const answer: unknown = await response.json()
      if (!response.ok) throw refusal(response, answer)
      return answer as T
    }
    catch (cause) {
      if (cause instanceof AdminError || signal?.aborted) throw cause
      if (limit.signal.aborted) throw new AdminError(0, 'The server is taking too long to answer. Try again.', cause)
      throw new AdminError(0, 'The server cannot be reached. Check the network, then try again.', cause)
    }
    finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
  }

  /** A session of an account can expire while a page is open; a sign-in by name and password cannot be renewed. */
  async function signedIn<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    }
    catch (error) {
      if (!(error instanceof AdminError) || error.status !== 401) throw error
      if (await renew().catch(() => false)) {
        try {
          return await run()
        }
        catch (again) {
          if (!(again instanceof AdminError) || again.status !== 401) throw again
        }
      }
      ended()
      throw error
    }
  }

  const admin: Admin = {
    get: (path, query = {}, signal) => signedIn(() => ask('GET', withQuery(path, query), { signal })),
    post: (path, body) => path === 'auth/login' ? ask('POST', path, { body }) : signedIn(() => ask('POST', path, { body })),
    put: (path, body) => signedIn(() => ask('PUT', path, { body })),
    events: (path, query) => new EventSource(prefix + withQuery(path, query)),
    onEnded(call) {
      ended = call
    },
    install: app => void app.provide(adminKey, admin),
  }
  return admin
}

function withQuery(path: string, query: Query): string {
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') asked.set(name, String(value))
  const text = asked.toString()
  return path + (text && `?${text}`)
}

function refusal(response: Response, answer: unknown): AdminError {
  const said = typeof answer === 'object' && answer !== null && 'statusMessage' in answer ? String(answer.statusMessage) : ''
  return new AdminError(response.status, messageOf(response, said))
}

function messageOf({ status, headers }: Response, said: string): string {
  if (status === 401) return 'Your session has ended. Sign in again.'
  if (status === 429) {
    const seconds = Number(headers.get('Retry-After')) || 60
    return `Too many requests. Wait ${seconds} seconds, then try again.`
  }
  if (status === 503 && said) return said
  if (status >= 500 && status !== 501) return 'The server has a problem. Nothing was changed; its log says more.'
  return said ? said[0]!.toUpperCase() + said.slice(1) + (/[.!?]$/.test(said) ? '' : '.') : 'The server refused this.'
}

export function messageFor(error: unknown): string {
  return error instanceof AdminError ? error.message : 'Something unexpected happened. Reload the page.'
}
