import http from 'node:http'
import type { Place } from './place.js'

/**
 * How long a connection is kept without a request, in milliseconds: less than the two minutes after which the engine
 * closes it, so that no request meets that.
 */
const idle = 60_000

export interface Outgoing {
  method: string
  path: string
  headers?: http.OutgoingHttpHeaders
  signal?: AbortSignal | undefined
}

/** The connections to one place. */
export class Transport {
  readonly #agent = new http.Agent({ keepAlive: true, timeout: idle, scheduling: 'lifo' })
  readonly #where: http.RequestOptions
  readonly #secret: string | undefined

  constructor(place: Place) {
    this.#where = 'socketPath' in place ? { socketPath: place.socketPath } : { host: place.host, port: place.port }
    this.#secret = 'secret' in place ? place.secret : undefined
  }

  /** Begins a request. Whoever asks writes the body and ends it. */
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

  /** Sends a request with a body that is held, and returns the answer's head. */
  send(outgoing: Outgoing, body?: Buffer): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = this.begin(outgoing)
      request.once('response', resolve)
      request.on('error', reject)
      request.end(body)
    })
  }

  /** Closes connections that serve nothing; requests under way go on. */
  close(): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
  }
}

/** Whether an error says that no connection came about: then nothing was sent, and it may be sent again. */
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
