import type { Connection, Reach } from './client.js'
import { EngineProblem, unavailable } from './errors.js'
import { longest, step, type Event, type State } from './machine.js'

/** What a launched engine reports. */
export type News = Extract<Event<Connection>, { name: 'spoke' | 'refused' | 'left' }>

/** A way to get an engine: a process of ours, or one that runs elsewhere. */
export interface Launcher {
  /** Begins. It reports news until it has reported `left`. */
  launch(tell: (news: News) => void): Running
}

export interface Running {
  /** Releases the engine. It resolves when nothing of it is left. */
  end(): Promise<void>
}

/** What the host's operator may want to read. */
export type Notice = { name: 'ready', connection: Connection } | { name: 'problem', problem: EngineProblem }

export interface SupervisorOptions {
  launcher: Launcher
  notify?: (notice: Notice) => void
  /** A clock that only goes forward, in milliseconds. */
  now?: () => number
  /** From 0 to 1. */
  random?: () => number
}

/** The longest timer, in milliseconds. While someone waits, it keeps the process alive. */
const forever = 2 ** 31 - 1

/** How long `stop` waits for the engine, in milliseconds. It ends on its own, later if another host needs it. */
const farewell = 5_000

/**
 * Makes sure that there is an engine, from the first time that it is needed until `stop`. It does not keep the process
 * alive, except while someone waits.
 */
export class Supervisor implements Reach {
  readonly #launcher: Launcher
  readonly #notify: (notice: Notice) => void
  readonly #now: () => number
  readonly #random: () => number
  #state: State<Connection> = { name: 'idle' }
  /** The current launch, the only one whose news counts. */
  #launch = 0
  #running: Running | undefined
  #timer: NodeJS.Timeout | undefined
  #ended: Promise<void> = Promise.resolve()
  readonly #waiting = new Set<() => void>()
  #problem: EngineProblem | undefined

  constructor({
    launcher,
    notify = () => undefined,
    now = () => performance.now(),
    random = Math.random,
  }: SupervisorOptions) {
    this.#launcher = launcher
    this.#notify = notify
    this.#now = now
    this.#random = random
  }

  get state(): State<Connection>['name'] {
    return this.#state.name
  }

  /** Starts, unless it has already started. */
  start(): void {
    this.#on({ name: 'start' })
  }

  /**
   * Resolves when the engine is first available, and rejects with the first problem: for hosts in strict
   * mode. Attempts continue in the meantime.
   */
  async started(signal?: AbortSignal): Promise<Connection> {
    this.start()
    return this.#wait(
      () => {
        if (this.#state.name === 'ready') return this.#state.connection
        if (this.#state.name === 'backing-off') throw this.#state.problem
        return undefined
      },
      forever,
      signal,
    )
  }

  async ready(patience: number, signal?: AbortSignal): Promise<Connection> {
    this.start()
    return this.#wait(
      () => {
        if (this.#state.name === 'ready') return this.#state.connection
        // Waiting is useless until a person has done something.
        if (this.#state.name === 'backing-off' && this.#state.problem.lasting)
          throw unavailable(this.#state.problem, longest / 1000)
        return undefined
      },
      patience,
      signal,
    )
  }

  /** Stops. Later requests get a 503. */
  async stop(): Promise<void> {
    this.#on({ name: 'stop' })
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      this.#ended,
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, farewell)
      }),
    ])
    clearTimeout(timer)
  }

  #on(event: Event<Connection>): void {
    const before = this.#state
    const [after, effects] = step(before, event, { now: this.#now(), random: this.#random() })
    if (after === before) return
    this.#state = after
    if (before.name === 'ready' && (after.name !== 'ready' || after.connection !== before.connection))
      before.connection.transport.close()
    if (after.name === 'ready') {
      this.#problem = undefined
      this.#notify({ name: 'ready', connection: after.connection })
    }
    if (after.name === 'backing-off') {
      // Repeating the same message every half minute helps no one.
      if (after.problem.message !== this.#problem?.message) this.#notify({ name: 'problem', problem: after.problem })
      this.#problem = after.problem
    }
    for (const effect of effects) {
      if (effect.do === 'launch') this.#begin()
      else if (effect.do === 'end') this.#end()
      else this.#timer = setTimeout(() => this.#on({ name: 'elapsed' }), effect.milliseconds).unref()
    }
    for (const look of [...this.#waiting]) look()
  }

  #begin(): void {
    const launch = ++this.#launch
    const tell = (news: News): void => {
      if (launch !== this.#launch) return
      if (news.name === 'left') this.#running = undefined
      this.#on(news)
    }
    try {
      this.#running = this.#launcher.launch(news => queueMicrotask(() => tell(news)))
    }
    catch (error) {
      const problem
        = error instanceof EngineProblem
          ? error
          : new EngineProblem('ended', `or3-cloud cannot be started: ${String(error)}`, { cause: error })
      queueMicrotask(() => tell({ name: 'left', problem }))
    }
  }

  #end(): void {
    this.#launch++
    clearTimeout(this.#timer)
    if (this.#running) this.#ended = this.#running.end()
    this.#running = undefined
  }

  #wait(look: () => Connection | undefined, patience: number, signal: AbortSignal | undefined): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        this.#waiting.delete(again)
        clearTimeout(timer)
        signal?.removeEventListener('abort', aborted)
        end()
      }
      const aborted = (): void => settle(() => reject(signal?.reason as Error))
      const again = (): void => {
        try {
          const connection = look()
          if (connection) settle(() => resolve(connection))
          else if (this.#state.name === 'stopped') settle(() => reject(unavailable(new Error('the host is stopping'))))
        }
        catch (error) {
          settle(() => reject(error as Error))
        }
      }
      const timer = setTimeout(
        () => settle(() => reject(unavailable(this.#problem ?? new Error('the engine is starting')))),
        patience,
      )
      this.#waiting.add(again)
      signal?.addEventListener('abort', aborted)
      if (signal?.aborted) aborted()
      else again()
    })
  }
}
