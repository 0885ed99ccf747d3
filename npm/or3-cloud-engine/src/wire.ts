import net from 'node:net'

/** An answer that is held. */
export interface Answer {
  status: number
  body: Buffer
}

export interface Exchange {
  /** The request's head, with the empty line at its end. */
  head: string
  body: Buffer
  signal?: AbortSignal | undefined
}

/** More than the engine ever sends as a head, in bytes. */
const largestHead = 64 << 10

/**
 * Connections for requests whose body and answer are held: the calls of the protocol. Each carries one at a time, and
 * is kept for the next.
 *
 * It does less than node:http, and takes a quarter of its CPU time: a host makes one call or more for each of
 * its requests, most of which are small. What it reads is HTTP/1.1 (RFC 9112) as the engine speaks it.
 */
export class Wire {
  readonly #where: net.NetConnectOpts
  readonly #idle: number
  readonly #free: Line[] = []
  #closed = false

  /** @param idle how long a connection is kept without a request, in milliseconds */
  constructor(where: net.NetConnectOpts, idle: number) {
    this.#where = where
    this.#idle = idle
  }

  /** How many connections are idle. */
  get free(): number {
    return this.#free.length
  }

  /** Sends a request. Errors are those of the connection; what was sent before it broke may have arrived. */
  async exchange(exchange: Exchange): Promise<Answer> {
    exchange.signal?.throwIfAborted()
    const line = this.#free.pop() ?? new Line(net.connect(this.#where), gone => this.#drop(gone))
    const answer = await line.exchange(exchange)
    if (this.#closed || !line.rest(this.#idle)) line.end()
    else this.#free.push(line)
    return answer
  }

  /** Closes idle connections; requests under way continue. */
  close(): void {
    this.#closed = true
    for (const line of this.#free.splice(0)) line.end()
  }

  #drop(line: Line): void {
    const at = this.#free.indexOf(line)
    if (at >= 0) this.#free.splice(at, 1)
  }
}

interface Waiting {
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

/** One connection. */
class Line {
  readonly #socket: net.Socket
  #reader = new AnswerReader()
  #waiting: Waiting | undefined
  #error: Error | undefined

  constructor(socket: net.Socket, gone: (line: Line) => void) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', data => this.#read(() => this.#reader.take(data)))
    socket.on('end', () => this.#read(() => this.#reader.end()))
    socket.on('timeout', () => this.end())
    socket.on('error', error => (this.#error = error))
    socket.on('close', () => {
      gone(this)
      this.#fail(this.#error ?? new Error('the engine has closed the connection'))
    })
  }

  exchange({ head, body, signal }: Exchange): Promise<Answer> {
    const socket = this.#socket
    socket.setTimeout(0)
    socket.ref()
    return new Promise<Answer>((resolve, reject) => {
      const abort = (): void => {
        this.#fail(signal?.reason)
        this.end()
      }
      signal?.addEventListener('abort', abort, { once: true })
      const settled = (): void => signal?.removeEventListener('abort', abort)
      this.#waiting = {
        resolve: (answer) => {
          settled()
          resolve(answer)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      }
      socket.write(Buffer.concat([Buffer.from(head, 'latin1'), body])) // one write is one system call
    })
  }

  /** Prepares it for the next request; false if it cannot be reused. */
  rest(idle: number): boolean {
    if (!this.#reader.reusable || this.#socket.destroyed || this.#socket.readableEnded) return false
    this.#reader = new AnswerReader()
    this.#socket.setTimeout(idle)
    this.#socket.unref()
    return true
  }

  end(): void {
    this.#socket.destroy()
  }

  #read(take: () => Answer | undefined): void {
    try {
      const answer = take()
      if (!answer) return
      const waiting = this.#waiting
      this.#waiting = undefined
      if (!waiting) throw new Error('the engine has sent an answer without a request')
      waiting.resolve(answer)
    }
    catch (error) {
      this.#fail(error)
      this.end()
    }
  }

  #fail(error: unknown): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.reject(error)
  }
}

const nothing: Buffer = Buffer.alloc(0)

/** Reads one answer from the pieces in which it comes. */
class AnswerReader {
  /** What has arrived of a line, or of the head. */
  #held: Buffer = nothing
  #part: 'head' | 'length' | 'chunk' | 'size' | 'mark' | 'trailer' | 'rest' | 'over' = 'head'
  #status = 0
  #keep = true
  /** What has arrived of a body of known length. */
  #body: Buffer = nothing
  /** How many bytes of the body, or of its chunk, are still to come. */
  #left = 0
  readonly #pieces: Buffer[] = []

  /** Whether another request may follow on the connection. */
  get reusable(): boolean {
    return this.#part === 'over' && this.#keep
  }

  /** Takes a piece, and returns the answer if it is complete. */
  take(data: Buffer): Answer | undefined {
    let rest: Buffer = this.#held.length > 0 ? Buffer.concat([this.#held, data]) : data
    this.#held = nothing
    for (;;) {
      switch (this.#part) {
        case 'length': {
          const taken = rest.copy(this.#body, this.#body.length - this.#left)
          this.#left -= taken
          rest = rest.subarray(taken)
          if (this.#left > 0) return undefined
          this.#part = 'over'
          break
        }
        case 'chunk': {
          const piece = rest.subarray(0, this.#left)
          this.#pieces.push(piece)
          this.#left -= piece.length
          rest = rest.subarray(piece.length)
          if (this.#left > 0) return undefined
          this.#part = 'mark'
          break
        }
        case 'rest':
          this.#pieces.push(rest)
          return undefined
        case 'over':
          if (rest.length > 0) throw new Error('the engine has sent more than an answer')
          return { status: this.#status, body: this.#pieces.length > 0 ? Buffer.concat(this.#pieces) : this.#body }
        default: {
          const end = this.#part === 'head' ? '\r\n\r\n' : '\r\n'
          const at = rest.indexOf(end, 0, 'latin1')
          if (at < 0) {
            if (rest.length > largestHead) throw new Error('the engine sent a line that is too long')
            this.#held = rest
            return undefined
          }
          this.#line(rest.toString('latin1', 0, at))
          rest = rest.subarray(at + end.length)
        }
      }
    }
  }

  /** The connection has ended, which ends an answer without a length. */
  end(): Answer | undefined {
    if (this.#part !== 'rest') return undefined
    this.#part = 'over'
    this.#keep = false
    return this.take(nothing)
  }

  #line(text: string): void {
    switch (this.#part) {
      case 'head':
        this.#head(text)
        break
      case 'size':
        this.#left = readSize(text.split(';', 1)[0]?.trim() ?? '', 16)
        this.#part = this.#left > 0 ? 'chunk' : 'trailer'
        break
      case 'mark':
        if (text !== '') throw new Error('the engine has sent a chunk of the wrong size')
        this.#part = 'size'
        break
      case 'trailer':
        if (text === '') this.#part = 'over'
        break
    }
  }

  #head(text: string): void {
    const [first = '', ...lines] = text.split('\r\n')
    const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1]
    if (!status) throw new Error(`the engine does not speak HTTP: ${JSON.stringify(first.slice(0, 100))}`)
    this.#status = Number(status)
    if (this.#status < 200) return // another head follows
    this.#part = 'rest'
    for (const line of lines) {
      const colon = line.indexOf(':')
      const value = line.slice(colon + 1).trim()
      switch (line.slice(0, colon).toLowerCase()) {
        case 'content-length':
          if (this.#part !== 'size') this.#part = 'length'
          this.#left = readSize(value, 10)
          break
        case 'transfer-encoding':
          if (value.toLowerCase() !== 'chunked') throw new Error(`the engine encodes its answer as ${value}`)
          this.#part = 'size'
          break
        case 'connection':
          if (value.toLowerCase() === 'close') this.#keep = false
          break
      }
    }
    if (this.#status === 204 || this.#status === 304) this.#part = 'over'
    if (this.#part === 'length') this.#body = Buffer.allocUnsafe(this.#left)
  }
}

function readSize(text: string, base: 10 | 16): number {
  const size = (base === 16 ? /^[\da-f]{1,12}$/i : /^\d{1,15}$/).test(text) ? Number.parseInt(text, base) : Number.NaN
  if (!Number.isSafeInteger(size)) throw new Error(`the engine sent an invalid size: ${JSON.stringify(text.slice(0, 100))}`)
  return size
}
