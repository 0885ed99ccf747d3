import type { IncomingMessage, ServerResponse } from 'node:http'
import { executable, findBinary, type Search } from './binary.js'
import { Client, type AskOptions, type StreamOptions } from './client.js'
import type { ServerEvent } from './events.js'
import { GuestLauncher } from './guest.js'
import type { Members } from './held.js'
import type { BrowserRequest, Caller, CallerOf, Hello, In, Method, Out, SessionAnswer, StreamName } from './methods.js'
import { packageName, packageVersion } from './package.js'
import { placeOfURL } from './place.js'
import { ProcessLauncher } from './process.js'
import { relay, type RelayOptions } from './relay.js'
import { SessionMemory } from './sessions.js'
import { Supervisor, type Notice } from './supervisor.js'

export interface EngineOptions {
  /** Who uses the engine: name and version of a provider package. */
  user: { name: string, version: string }
  /** Gets one line for the host's operator. */
  log?: (level: 'info' | 'error', line: string) => void
  /** Where to look for the program and its settings. */
  search?: Search
  /** The data directory, if not the one that the settings name. */
  dataDir?: string
  /** How long a request waits for an engine that starts, in milliseconds. */
  patience?: number
}

/** The engine, as the packages of one host share it. */
export class Engine {
  readonly #supervisor: Supervisor
  readonly #client: Client
  readonly #sessions: SessionMemory
  readonly #users = new Map<symbol, string>()
  readonly #log: NonNullable<EngineOptions['log']>
  readonly #url: string | undefined
  readonly #search: Search
  #hello: Hello | undefined

  constructor({ user, log = () => undefined, search = {}, dataDir, patience }: EngineOptions) {
    this.#log = log
    this.#search = search
    this.#url = (search.env ?? process.env).OR3_CLOUD_URL?.trim() || undefined
    const client = `${user.name}/${user.version}`
    this.#supervisor = new Supervisor({
      launcher:
        this.#url === undefined
          ? new ProcessLauncher({
              client,
              search,
              log: line => log('info', line),
              ...(dataDir !== undefined && { dataDir }),
            })
          : new GuestLauncher(this.#url, client),
      notify: notice => this.#tell(notice),
    })
    this.#client = new Client(this.#supervisor, patience === undefined ? {} : { patience })
    this.#sessions = new SessionMemory(this.#client)
  }

  /**
   * Checks at once, without starting anything, whether there is a program to start: for strict mode, in which
   * a host does not start without it.
   *
   * @throws EngineProblem
   */
  check(): void {
    if (this.#url === undefined) executable(findBinary(this.#search))
    else placeOfURL(this.#url)
  }

  /** Starts the engine, if it has not been started. The first call starts it anyway. */
  start(): void {
    this.#supervisor.start()
  }

  /** Resolves when the engine is available; rejects with the first EngineProblem, while attempts continue. */
  async started(signal?: AbortSignal): Promise<Hello> {
    return (await this.#supervisor.started(signal)).hello
  }

  get state(): Supervisor['state'] {
    return this.#supervisor.state
  }

  /** Calls a method (Client.call). */
  call<N extends Method>(method: N, input: In<N>, caller: CallerOf<N>, options?: AskOptions): Promise<Out<N>> {
    return this.#client.call(method, input, caller, options)
  }

  /** Calls a method whose answer is large (Client.hold). */
  hold<N extends Method>(
    method: N,
    input: In<N>,
    caller: CallerOf<N>,
    members: Members<Out<N>>,
    options?: AskOptions,
  ): Promise<Out<N>> {
    return this.#client.hold(method, input, caller, members, options)
  }

  /** Reads a stream (Client.events). */
  events<N extends StreamName>(name: N, options: StreamOptions<N>): AsyncGenerator<ServerEvent, void> {
    return this.#client.events(name, options)
  }

  /** Says who sent a request, from memory if the rules allow it (SessionMemory). */
  session(request: BrowserRequest, caller: Caller, options?: AskOptions): Promise<SessionAnswer> {
    return this.#sessions.ask(request, caller, options)
  }

  /**
   * Makes `session` ask the engine about everyone again: called when the answer to an account change is known, but not
   * forwarded yet. A user who reads that they are signed out is then signed out as of the next request.
   */
  doubtSessions(): void {
    this.#sessions.doubt()
  }

  /** Forwards a browser's request, and returns the answer (relay). */
  relay(request: IncomingMessage, response: ServerResponse, options: RelayOptions): Promise<void> {
    return relay(this.#client, request, response, options)
  }

  /** What the engine offers. */
  hello(signal?: AbortSignal): Promise<Hello> {
    return this.#client.hello(signal)
  }

  /** What the engine last offered, even while it restarts; undefined before the first time. */
  get offered(): Hello | undefined {
    return this.#hello
  }

  /** Adds a user. The engine is released when the last one has left. */
  enter(user: EngineOptions['user']): () => Promise<void> {
    const key = Symbol(user.name)
    this.#users.set(key, `${user.name} ${user.version}`)
    return async () => {
      if (!this.#users.delete(key) || this.#users.size > 0) return
      this.#sessions.close()
      await this.#supervisor.stop()
    }
  }

  #tell(notice: Notice): void {
    if (notice.name === 'problem') {
      this.#log('error', notice.problem.message)
      return
    }
    const { hello } = notice.connection
    this.#hello = hello
    const users = [...this.#users.values()].sort().join(', ')
    const { auth, sync, storage } = hello.providers
    this.#log(
      'info',
      `${users} (${packageName} ${packageVersion}) ${this.#users.size > 1 ? 'use' : 'uses'} or3-cloud `
      + `${hello.version}, process ${hello.pid}, with the providers `
      + `${[auth, sync, storage].filter(Boolean).join(', ')}`,
    )
  }
}

/** An engine that one package uses. */
export interface EngineUse {
  engine: Engine
  /** To be called when the host closes. */
  release: () => Promise<void>
}

/**
 * The engine of this process: the first package that asks creates it, and the others share it. Modules that are loaded
 * again, as in development, find the existing one; other versions of this package have their own, which joins the
 * first one's engine.
 */
export function useEngine(options: EngineOptions): EngineUse {
  const key = Symbol.for(`${packageName}@${packageVersion}`)
  const shared = globalThis as unknown as Record<symbol, Engine | undefined>
  let engine = shared[key]
  if (!engine || engine.state === 'stopped') engine = shared[key] = new Engine(options)
  return { engine, release: engine.enter(options.user) }
}
