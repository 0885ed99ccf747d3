import http from 'node:http'
import net from 'node:net'
import type { Place } from './place.js'
import { Wire, type Answer } from './wire.js'

/**
 * How long an idle connection is kept, in milliseconds: less than the two minutes after which the engine
 * closes it, so that no request hits a closing connection.
 */
const idle = 60_000

export interface Outgoing {
  method: string
  path: string
  headers?: http.OutgoingHttpHeaders
  signal?: AbortSignal | undefined
}

/** A call: a request whose body and answer are held in memory. Its header values are visible ASCII. */
export interface Asked {
  path: string
  headers?: Readonly<Record<string, string>>
  body: Buffer
  signal?: AbortSignal | undefined
}

/** The connections to one place: those for calls, and those for streamed requests. */
export class Transport {
  readonly #wire: Wire
  readonly #fixed: string
  readonly #agent = new http.Agent({ keepAlive: true, timeout: idle, scheduling: 'lifo' })
  readonly #where: http.RequestOptions
  readonly #secret: string | undefined

  constructor(place: Place) {
    this.#where = 'socketPath' in place ? { socketPath: place.socketPath } : { host: place.host, port: place.port }
    this.#secret = 'secret' in place ? place.secret : undefined
    const host = 'socketPath' in place ? 'localhost' : net.isIPv6(place.host) ? `[${place.host}]` : place.host
    const port = 'port' in place ? `:${place.port}` : ''
    this.#fixed = `host: ${host}${port}\r\ncontent-type: application/json\r\n`
      + (this.#secret === undefined ? '' : `authorization: Bearer ${this.#secret}\r\n`)
    this.#wire = new Wire('socketPath' in place ? { path: place.socketPath } : { host: place.host, port: place.port }, idle)
  }

  /** Makes a call. */
  call({ path, headers = {}, body, signal }: Asked): Promise<Answer> {
    let head = `POST ${path} HTTP/1.1\r\n${this.#fixed}content-length: ${body.length}\r\n`
    for (const name in headers) head += `${name}: ${headers[name] ?? ''}\r\n`
    return this.#wire.exchange({ head: `${head}\r\n`, body, signal })
  }

  /** Begins a request. The caller writes the body and ends it. */
  begin({ method, path, headers = {}, signal }: Outgoing): http.ClientRequest {
    return http.request({
      ...this.#where,
      agent: this.#agent,
      method,
      path,
      headers: this.#secret === undefined ? headers : { ...headers, authorization: `Bearer ${this.#secret}` },
      ...(signal && { signal }),
    })
  }

  /** Sends a request without a body, and returns the answer's head. */
  send(outgoing: Outgoing): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = this.begin(outgoing)
      request.once('response', resolve)
      request.on('error', reject)
      request.end()
    })
  }

  /** Closes idle connections; requests under way continue. */
  close(): void {
    this.#wire.close()
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
  }
}

/** Whether an error means that no connection was made: then nothing was sent, and the request may be retried. */
export function neverSent(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'connect'
}

/** Reads a body that is held in memory. */
export async function readBody(answer: http.IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of answer) {
    if (Buffer.isBuffer(piece)) pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
