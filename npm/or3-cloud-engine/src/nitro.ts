// What a provider package has of the Nitro server that it runs in: who asks, the host's errors, start and end. Nothing
// of h3 or Nitro is imported: the host bundles its own, and its createError is handed in.
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

/** What is needed of an event of h3. */
export interface HostEvent {
  node: { req: IncomingMessage, res: ServerResponse }
  /** Path and query, without the base path of the host. */
  path: string
  context: object
}

/** What is needed of Nitro's app. */
export interface HostApp {
  hooks: { hook: (name: 'close', run: () => Promise<void>) => unknown }
}

/**
 * The part of a host's runtime configuration that says what it has chosen, how strictly it starts, and which proxies it
 * believes.
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
   * `process.env.NODE_ENV` as the package's own code has it: Nitro writes into what it bundles for what it was built,
   * which the environment need not say. While a host is built and renders pages, that is `prerender`: then nothing is
   * started or asked.
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
   * Starts the engine, and lets it go when the host closes. It does not wait, so that what a plugin registers after it
   * is there at once. The engine gets the host's environment and what the host was configured with.
   *
   * In strict mode a host without an engine does not run: what can be told at once is thrown, and a first start that
   * fails ends the process with 1, the reason being in the log. Otherwise the log has the reason, requests are answered
   * 503, and the engine is tried again.
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

  /** What the engine has offered last; undefined before the first time (Engine.offered). */
  get offered(): Hello | undefined {
    return this.#engine?.offered
  }

  /** Whether it is started, and the host has not closed. */
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
   * @param event the request that it is done for; undefined where the host tells none
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

  /** Is call for large answers, which a host mostly passes on as they are (heldAnswer). */
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
   * Says who has sent a request. Cookies that are renewed by it are added to the answer. During prerendering no browser
   * has.
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

  /** Has every browser proven again (Engine.doubtSessions). */
  doubtSessions(): void {
    this.#engine?.doubtSessions()
  }

  /** Passes a request on to the engine, and its answer back (relay). */
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

  /** Who has sent a request, by the host's own rule for proxies, and who is signed in there. */
  caller(event: HostEvent, session?: HostSession): Caller {
    const caller = browserOf(event.node.req, this.#options.config())
    const user = userOf(session, provenOf(event))
    return user ? { ...caller, ...user } : caller
  }

  /** Does what asks the engine, and makes its faults the host's errors, with Retry-After. */
  async answering<T>(event: HostEvent | undefined, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    }
    catch (error) {
      throw this.error(error, event)
    }
  }

  /** The host's error for a fault of the engine; what is none of its faults stays as it is. */
  error(error: unknown, event?: HostEvent): unknown {
    if (!(error instanceof EngineError)) return error
    const res = event?.node.res
    if (res && !res.headersSent && error.retryAfter !== undefined) res.setHeader('retry-after', error.retryAfter)
    return this.#options.createError(error)
  }
}

/**
 * Whether a host does not start with what is wrong: OR3_STRICT_CONFIG=true, production, or `auth.strict` of its
 * configuration.
 */
export function isStrict({ auth }: HostConfig, env: Readonly<Record<string, string | undefined>>): boolean {
  return env.OR3_STRICT_CONFIG === 'true' || env.NODE_ENV === 'production' || Boolean(auth?.strict)
}

/**
 * A browser's address, the host that it has asked for, and whether it came encrypted (contract, security-middleware
 * §4). Where proxies are trusted and none says the host, it is not known, so that the rule of origins fails closed.
 */
export function browserOf(request: IncomingMessage, { security }: HostConfig): Omit<Caller, 'user'> {
  const { trustProxy, forwardedForHeader, forwardedHostHeader } = security?.proxy ?? {}
  const trusted = trustProxy === true
  const first = (name: unknown, usual: string): string => {
    const value = request.headers[typeof name === 'string' && name ? name.toLowerCase() : usual]
    return ((Array.isArray(value) ? value[0] : value) ?? '').split(',')[0]?.trim() ?? ''
  }
  // A request of the host to itself has no connection.
  const socket = request.socket as Partial<TLSSocket> | undefined
  const told = trusted ? first(forwardedForHeader, 'x-forwarded-for') : ''
  const clientIp = isIP(told) ? told : socket?.remoteAddress
  const named = trusted ? first(forwardedHostHeader, 'x-forwarded-host') : (request.headers.host ?? '').trim()
  const proto = trusted ? first(undefined, 'x-forwarded-proto').toLowerCase() : ''
  const https = proto === 'https' || (proto !== 'http' && socket?.encrypted === true)
  // Browsers leave the usual port out of an origin, and some proxies say it.
  const host = named.toLowerCase().replace(https ? /:443$/ : /:80$/, '')
  return { ...(clientIp && isIP(clientIp) && { clientIp }), ...(host && { host }), ...(https && { https }) }
}

type Proven = NonNullable<SessionAnswer['session']>

/** Where a request has its proven session, for packages that do not ask for it themselves. */
const provenKey = 'or3-cloud-engine/session'

function provenOf({ context }: HostEvent): Proven | undefined {
  return (context as Record<string, Proven | undefined>)[provenKey]
}

/** The user of a session context, and which session of theirs it is if the engine has proven it in this request. */
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
