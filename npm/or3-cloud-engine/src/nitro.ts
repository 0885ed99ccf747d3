// How a provider package uses the Nitro server that it runs in: callers, the host's errors, start and end. Nothing
// of h3 or Nitro is imported: the host bundles its own, and its createError is passed in.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { useEngine, type Engine } from './engine.js'
import { EngineError, unavailable } from './errors.js'
import type { Members } from './held.js'
import type { Caller, CallerOf, Hello, In, Method, Out, Schemas, SessionAnswer } from './methods.js'
import { packageName, packageVersion } from './package.js'
import { browserRequest, type RelayOptions } from './relay.js'
import { settingsOf, type HostChoices } from './settings.js'

export { providerAdmin, type AdminStatus, type ProviderAdmin } from './admin.js'

/** The part of an h3 event that is needed. */
export interface HostEvent {
  node: { req: IncomingMessage, res: ServerResponse }
  /** Path and query, without the base path of the host. */
  path: string
  context: object
}

/** The part of Nitro's app that is needed. */
export interface HostApp {
  hooks: { hook: (name: 'close', run: () => Promise<void>) => unknown }
}

/**
 * The part of a host's runtime configuration with the selected providers, how strictly it starts, and which proxies it
 * trusts.
 */
export interface HostConfig extends HostChoices {
  auth?: HostChoices['auth'] & { strict?: unknown }
  security?: HostChoices['security'] & {
    proxy?: { trustProxy?: unknown, forwardedForHeader?: unknown, forwardedHostHeader?: unknown }
  }
}

/** The part of a host's session context that says who has signed in. */
export interface HostSession {
  authenticated: boolean
  provider?: string | undefined
  providerUserId?: string | undefined
  user?: { id: string } | undefined
  workspace?: { id: string } | undefined
  role?: Schemas['User']['role']
}

export interface ProviderHostOptions {
  /** The provider package. */
  user: { name: string, version: string }
  /** That of the host's h3. */
  createError: (error: EngineError) => Error
  /** The host's runtime configuration. */
  config: () => HostConfig
}

export interface StartOptions {
  /**
   * `process.env.NODE_ENV` as seen by the package's code: Nitro replaces it in bundled code with the mode of the build,
   * which the environment may not have. While a build prerenders pages, it is `prerender`: then nothing is
   * started or called.
   */
  mode: string | undefined
}

/**
 * The Nitro server around a provider package, of which each package keeps one. The engine behind it is the same for
 * all of them.
 */
export class ProviderHost {
  readonly #options: ProviderHostOptions
  #engine: Engine | undefined
  #prerendering = false

  constructor(options: ProviderHostOptions) {
    this.#options = options
  }

  /** The package and its version, as people read them. */
  get packageText(): string {
    const { name, version } = this.#options.user
    return `${name} ${version} (${packageName} ${packageVersion})`
  }

  /**
   * Starts the engine, and releases it when the host closes. It does not wait, so that what a plugin registers after it
   * is there at once. The engine gets the host's environment and configuration.
   *
   * In strict mode a host does not run without an engine: what is known at once is thrown, and if the first start
   * fails, the process exits with 1 and the reason is in the log. Otherwise the log has the reason, requests get a
   * 503, and the engine is started again.
   *
   * @throws EngineProblem
   */
  start(app: HostApp, { mode }: StartOptions): void {
    this.#prerendering = mode === 'prerender'
    if (this.#prerendering || this.#engine) return
    const config = this.#options.config()
    const env = { ...process.env, ...settingsOf(config), ...(mode !== undefined && { NODE_ENV: mode }) }
    const { engine, release } = useEngine({ user: this.#options.user, log: say, search: { env } })
    app.hooks.hook('close', async () => {
      this.#engine = undefined
      await release()
    })
    this.#engine = engine
    if (!isStrict(config, env)) {
      engine.start()
      return
    }
    engine.check()
    engine.started().catch(() => {
      if (this.#engine) process.exit(1)
    })
  }

  /** What the engine last offered; undefined before the first time (Engine.offered). */
  get offered(): Hello | undefined {
    return this.#engine?.offered
  }

  /** Whether the engine has been started and the host has not closed. */
  get running(): boolean {
    return this.#engine !== undefined
  }

  /** @throws EngineError `unavailable` where it is not started */
  get engine(): Engine {
    if (this.#engine) return this.#engine
    throw unavailable(new Error(this.#prerendering ? 'pages are being rendered' : 'the engine is not started'))
  }

  /**
   * Calls a method of the protocol, for the user of a session where it needs one. Faults are the host's errors.
   *
   * @param event the request that the call is for; undefined if the host passes none
   */
  async call<N extends Method>(
    event: HostEvent | undefined,
    method: N,
    input: In<N>,
    session?: HostSession,
  ): Promise<Out<N>> {
    const caller = event ? this.caller(event, session) : userOf(session)
    return this.answering(event, async () => this.engine.call(method, input, caller as CallerOf<N>))
  }

  /** Like call, for large answers, which a host usually forwards unchanged (heldAnswer). */
  async hold<N extends Method>(
    event: HostEvent,
    method: N,
    input: In<N>,
    members: Members<Out<N>>,
    session?: HostSession,
  ): Promise<Out<N>> {
    const caller = this.caller(event, session) as CallerOf<N>
    return this.answering(event, async () => this.engine.hold(method, input, caller, members))
  }

  /**
   * Says who sent a request. Renewed cookies are added to the answer. During prerendering there is no
   * browser.
   */
  async session(event: HostEvent): Promise<SessionAnswer['session']> {
    if (this.#prerendering) return null
    const { req, res } = event.node
    const { session, setCookies } = await this.answering(event, async () =>
      this.engine.session(browserRequest(req, { answerBegun: res.headersSent }), this.caller(event)),
    )
    addCookies(res, setCookies)
    Object.assign(event.context, { [provenKey]: session ?? undefined })
    return session
  }

  /** Makes every session be verified again (Engine.doubtSessions). */
  doubtSessions(): void {
    this.#engine?.doubtSessions()
  }

  /** Forwards a request to the engine, and returns its answer (relay). */
  async relay(
    event: HostEvent,
    { session, ...options }: { session?: HostSession } & Omit<RelayOptions, 'caller'> = {},
  ): Promise<void> {
    await this.answering(event, async () =>
      this.engine.relay(event.node.req, event.node.res, {
        path: event.path,
        ...options,
        caller: this.caller(event, session),
      }),
    )
  }

  /** Where a request comes from, by the host's rules for proxies, and who is signed in. */
  caller(event: HostEvent, session?: HostSession): Caller {
    const caller = browserOf(event.node.req, this.#options.config())
    const user = userOf(session, provenOf(event))
    return user ? { ...caller, ...user } : caller
  }

  /** Runs an engine call, and turns its faults into the host's errors, with Retry-After. */
  async answering<T>(event: HostEvent | undefined, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    }
    catch (error) {
      throw this.error(error, event)
    }
  }

  /** The host's error for an engine fault; other errors stay as they are. */
  error(error: unknown, event?: HostEvent): unknown {
    if (!(error instanceof EngineError)) return error
    const res = event?.node.res
    if (res && !res.headersSent && error.retryAfter !== undefined) res.setHeader('retry-after', error.retryAfter)
    return this.#options.createError(error)
  }
}

/**
 * Whether a host refuses to start with errors: OR3_STRICT_CONFIG=true, production, or `auth.strict` in its
 * configuration.
 */
export function isStrict({ auth }: HostConfig, env: Readonly<Record<string, string | undefined>>): boolean {
  return env.OR3_STRICT_CONFIG === 'true' || env.NODE_ENV === 'production' || Boolean(auth?.strict)
}

/**
 * A browser's address, the requested host, and whether the request was encrypted (contract, security-middleware
 * §4). If proxies are trusted and none names the host, it is unknown, so that the origin check fails closed.
 */
export function browserOf(request: IncomingMessage, { security }: HostConfig): Omit<Caller, 'user'> {
  const { trustProxy, forwardedForHeader, forwardedHostHeader } = security?.proxy ?? {}
  const trusted = trustProxy === true
  const first = (name: unknown, usual: string): string => {
    const value = request.headers[typeof name === 'string' && name ? name.toLowerCase() : usual]
    return ((Array.isArray(value) ? value[0] : value) ?? '').split(',')[0]?.trim() ?? ''
  }
  // A request from the host to itself has no connection.
  const socket = request.socket as Partial<TLSSocket> | undefined
  const told = trusted ? first(forwardedForHeader, 'x-forwarded-for') : ''
  const clientIp = isIP(told) ? told : socket?.remoteAddress
  const named = trusted ? first(forwardedHostHeader, 'x-forwarded-host') : (request.headers.host ?? '').trim()
  const proto = trusted ? first(undefined, 'x-forwarded-proto').toLowerCase() : ''
  const https = proto === 'https' || (proto !== 'http' && socket?.encrypted === true)
  // Browsers omit the default port from an origin, but some proxies include it.
  const host = named.toLowerCase().replace(https ? /:443$/ : /:80$/, '')
  return { ...(clientIp && isIP(clientIp) && { clientIp }), ...(host && { host }), ...(https && { https }) }
}

type Proven = NonNullable<SessionAnswer['session']>

/** Where a request keeps its verified session, for packages that do not request it themselves. */
const provenKey = 'or3-cloud-engine/session'

function provenOf({ context }: HostEvent): Proven | undefined {
  return (context as Record<string, Proven | undefined>)[provenKey]
}

/** The user of a session context, and the session's id if the engine has verified it in this request. */
function userOf(session: HostSession | undefined, proven?: Proven): { user: NonNullable<Caller['user']> } | undefined {
  if (!session?.authenticated || !session.user) return undefined
  const { user, provider, providerUserId, workspace, role } = session
  const same = proven?.provider === provider && proven?.userId === providerUserId
  return {
    user: {
      id: user.id,
      ...(provider && { provider }),
      ...(providerUserId && { providerUserId }),
      ...(same && proven?.sessionId && { sessionId: proven.sessionId }),
      ...(workspace && { workspaceId: workspace.id }),
      ...(role && { role }),
    },
  }
}

function addCookies(res: ServerResponse, cookies: readonly string[]): void {
  if (cookies.length === 0 || res.headersSent) return
  const own = res.getHeader('set-cookie') ?? []
  res.setHeader('set-cookie', [...(Array.isArray(own) ? own : [String(own)]), ...cookies])
}

function say(level: 'info' | 'error', line: string): void {
  process[level === 'error' ? 'stderr' : 'stdout'].write(`${line}\n`)
}
