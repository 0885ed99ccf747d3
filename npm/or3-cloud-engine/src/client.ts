import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { EngineError, faultOf, unavailable } from './errors.js'
import { readEvents, type ServerEvent } from './events.js'
import { heldAnswer, type Members } from './held.js'
import {
  callerHeader,
  prefix,
  rangeText,
  spoken,
  type Caller,
  type CallerOf,
  type Hello,
  type In,
  type Method,
  type Out,
  type StreamName,
} from './methods.js'
import { neverSent, readBody, type Transport } from './transport.js'

/** A connection to a running engine. */
export interface Connection {
  transport: Transport
  hello: Hello
}

/** How an engine is reached: started here, or running elsewhere. */
export interface Reach {
  /**
   * Waits until the engine is available, for at most the given number of milliseconds.
   *
   * @throws EngineError `unavailable` when the time is over, with the EngineProblem as its cause
   */
  ready(patience: number, signal?: AbortSignal): Promise<Connection>
}

export interface AskOptions {
  signal?: AbortSignal
}

export interface StreamOptions<N extends StreamName> {
  caller: CallerOf<N>
  query?: Record<string, string>
  signal?: AbortSignal
}

/** How long a request waits for an engine that is starting or restarting, in milliseconds; then it fails with 503. */
const defaultPatience = 5_000
/** The pause after a refused connection before the next attempt, in milliseconds. */
const retryPause = 100
/** How long a stream may be silent, in milliseconds: three of the engine's pings. */
const silence = 45_000

/** The caller, as the header has it. */
export function encodeCaller(caller: Caller | undefined): string {
  return encodeURIComponent(JSON.stringify(caller ?? {}))
}

/** Speaks the protocol. */
export class Client {
  readonly #reach: Reach
  readonly #patience: number

  constructor(reach: Reach, { patience = defaultPatience }: { patience?: number } = {}) {
    this.#reach = reach
    this.#patience = patience
  }

  /**
   * Calls a method. A fault is an EngineError, and so is an engine that cannot be reached, a broken connection or
   * an answer that cannot be read: `unavailable`.
   */
  async call<N extends Method>(
    method: N,
    input: In<N>,
    caller: CallerOf<N>,
    { signal }: AskOptions = {},
  ): Promise<Out<N>> {
    const json = await this.#answer(method, input, caller, signal)
    try {
      return JSON.parse(json.toString('utf8')) as Out<N>
    }
    catch (cause) {
      throw unavailable(cause)
    }
  }

  /** Like call, for large answers, which are parsed only if someone reads them (heldAnswer). */
  async hold<N extends Method>(
    method: N,
    input: In<N>,
    caller: CallerOf<N>,
    members: Members<Out<N>>,
    { signal }: AskOptions = {},
  ): Promise<Out<N>> {
    return heldAnswer<Out<N>>(await this.#answer(method, input, caller, signal), members)
  }

  async #answer(method: Method, input: object, caller: Caller | undefined, signal?: AbortSignal): Promise<Buffer> {
    const request = Buffer.from(JSON.stringify(input))
    const headers: Record<string, string> = caller ? { [callerHeader]: encodeCaller(caller) } : {}
    const { status, body } = await this.#ask(signal, transport =>
      transport.call({ path: prefix + method, headers, body: request, signal }),
    )
    if (status !== 200) throw faultOf(status, body.toString('utf8'))
    return body
  }

  /**
   * Reads a stream until it ends, which it does when the engine stops. The generator ends without error if the signal
   * aborts; everything else that breaks the stream is an EngineError. It does not keep the process alive.
   */
  async* events<N extends StreamName>(
    name: N,
    { caller, query, signal }: StreamOptions<N>,
  ): AsyncGenerator<ServerEvent, void> {
    const search = query ? `?${new URLSearchParams(query).toString()}` : ''
    const headers: OutgoingHttpHeaders = {
      accept: 'text/event-stream',
      ...(caller && { [callerHeader]: encodeCaller(caller) }),
    }
    try {
      const answer = await this.#ask(signal, transport =>
        transport.send({ method: 'GET', path: prefix + name + search, headers, signal }),
      )
      if (answer.statusCode !== 200) throw faultOf(answer.statusCode ?? 0, await received(readBody(answer), signal))
      yield* listen(answer)
    }
    catch (error) {
      if (!signal?.aborted) throw error instanceof EngineError ? error : unavailable(error)
    }
  }

  /** Returns the connection and hello, for callers that forward data without reading it. */
  connect(signal?: AbortSignal): Promise<Connection> {
    return this.#reach.ready(this.#patience, signal)
  }

  /** What the engine offers. */
  async hello(signal?: AbortSignal): Promise<Hello> {
    return (await this.connect(signal)).hello
  }

  /**
   * Sends a request, and retries as long as no connection can be made and there is time. What may have arrived
   * is never repeated.
   */
  async #ask<A>(signal: AbortSignal | undefined, send: (transport: Transport) => Promise<A>): Promise<A> {
    const end = performance.now() + this.#patience
    for (;;) {
      signal?.throwIfAborted()
      const { transport } = await this.#reach.ready(Math.max(0, end - performance.now()), signal)
      try {
        return await send(transport)
      }
      catch (error) {
        signal?.throwIfAborted()
        if (!neverSent(error) || performance.now() >= end) throw unavailable(error)
        await pause(retryPause, undefined, signal && { signal })
      }
    }
  }
}

/** Reads the events of an answer, and aborts it if it has been silent for too long. */
export async function* listen(answer: IncomingMessage): AsyncGenerator<ServerEvent, void> {
  answer.socket.unref()
  const watch = setTimeout(
    () => answer.destroy(new Error(`the engine has sent nothing for ${silence / 1000} seconds`)),
    silence,
  ).unref()
  try {
    yield* readEvents(answer, () => watch.refresh())
  }
  finally {
    clearTimeout(watch)
    answer.destroy()
  }
}

async function received<T>(reading: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await reading
  }
  catch (error) {
    signal?.throwIfAborted()
    throw unavailable(error)
  }
}

/**
 * Requests hello from whatever listens at a place.
 *
 * @throws EngineError code `conflict` if there is no common protocol version; the message names both programs and
 * both ranges
 */
export async function greet(transport: Transport, client: string, signal?: AbortSignal): Promise<Hello> {
  const body = Buffer.from(JSON.stringify({ client, protocol: spoken }))
  const answer = await transport.call({ path: '/engine/hello', body, signal })
  const text = answer.body.toString('utf8')
  if (answer.status !== 200) throw faultOf(answer.status, text)
  const hello = readHello(text)
  if (!hello) throw faultOf(200, text)
  if (hello.protocol.oldest > spoken.current || hello.protocol.current < spoken.oldest) {
    throw new EngineError({
      code: 'conflict',
      status: 409,
      message: `or3-cloud ${hello.version} speaks ${rangeText(hello.protocol)} of the engine protocol, and ${client} `
        + `speaks ${rangeText(spoken)}`,
    })
  }
  return hello
}

function readHello(text: string): Hello | undefined {
  const value: unknown = JSON.parse(text)
  const known
    = typeof value === 'object'
      && value !== null
      && 'protocol' in value
      && 'version' in value
      && 'state' in value
      && 'methods' in value
      && 'routes' in value
  return known ? (value as Hello) : undefined
}
