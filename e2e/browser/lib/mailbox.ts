import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export interface Mail {
  from: string
  to: string[]
  /** Headers and body as received. */
  source: string
  /** The body of all parts, with quoted-printable decoded. */
  text: string
}

/**
 * Mailbox is a mail server that stores all it receives: as much of SMTP (RFC 5321) as a client needs that neither
 * authenticates nor encrypts.
 */
export class Mailbox {
  readonly mails: Mail[] = []
  readonly #server: Server
  #waiting: (() => void)[] = []

  private constructor() {
    this.#server = createServer(socket => this.#converse(socket))
  }

  static async open(): Promise<Mailbox> {
    const mailbox = new Mailbox()
    mailbox.#server.listen(0, '127.0.0.1')
    await once(mailbox.#server, 'listening')
    return mailbox
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** link waits for a mail to an address with a link of the given kind, and returns the newest such link. */
  async link(to: string, kind: string): Promise<string> {
    const pattern = new RegExp(`http://\\S+#${kind}=[\\w.~-]+`)
    for (;;) {
      const found = this.mails.findLast(mail => mail.to.includes(to) && pattern.test(mail.text))
      if (found) return found.text.match(pattern)![0]
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  async close(): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }

  #converse(socket: Socket) {
    const say = (line: string) => socket.write(line + '\r\n')
    const address = (line: string) => line.match(/<([^>]*)>/)?.[1] ?? ''
    let from = '', to: string[] = [], data: string[] | null = null
    socket.on('error', () => socket.destroy())
    say('220 mailbox ESMTP')
    createInterface({ input: socket }).on('line', (line) => {
      if (data) {
        if (line !== '.') return void data.push(line.replace(/^\./, ''))
        this.#keep({ from, to, source: data.join('\n'), text: readable(data) })
        data = null
        return void say('250 kept')
      }
      switch (line.slice(0, 4).toUpperCase()) {
        case 'EHLO': return void say('250-mailbox\r\n250-8BITMIME\r\n250 SMTPUTF8')
        case 'MAIL': [from, to] = [address(line), []]; return void say('250 ok')
        case 'RCPT': to.push(address(line)); return void say('250 ok')
        case 'DATA': data = []; return void say('354 go on')
        case 'QUIT': say('221 bye'); return void socket.end()
        default: return void say('250 ok')
      }
    })
  }

  #keep(mail: Mail) {
    this.mails.push(mail)
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}

// readable decodes quoted-printable: soft line breaks and =XX.
function readable(lines: string[]): string {
  return lines.join('\n').replace(/=\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
