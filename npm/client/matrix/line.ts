// The line between a device and the host, which a test can cut. What the browser sees is a real network that fails.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

let lines = 0

/** An address of the loopback network for each device: hosts count some requests by address. */
function address(): string {
  const n = ++lines
  return `127.1.${n >> 8}.${n & 255}`
}

export class Line {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut = false

  private constructor(server: Server) {
    this.#server = server
  }

  /** A line to a host, which need not be there yet. */
  static async to(host: string): Promise<Line> {
    const { hostname, port } = new URL(host)
    const localAddress = address()
    const server = createServer((near) => {
      if (line.#cut) return void near.destroy()
      const far = connect({ host: hostname, port: Number(port), localAddress })
      for (const [one, other] of [[near, far], [far, near]] as const) {
        line.#sockets.add(one)
        one.pipe(other)
        one.on('error', () => other.destroy())
        one.on('close', () => {
          line.#sockets.delete(one)
          other.destroy()
        })
      }
    })
    const line = new Line(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return line
  }

  /** The origin at this end. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Breaks all connections off, and takes no more. */
  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#cut = false
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }
}
