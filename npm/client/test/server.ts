// The real server, and people with cookies and a network that can be cut.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { remove, until } from '../../or3-cloud-engine/test/folders.js'
import { freePort } from '../../or3-cloud-engine/test/port.js'
import { settings } from '../matrix/host.js'

export const ann = { email: 'ann@example.test', password: 'Correct-Horse-9-Battery' }

/** A program, in a directory of its own. */
export class Server {
  readonly url: string
  readonly #folder: string
  #child: ChildProcess | undefined
  log = ''

  protected constructor(url: string, folder: string, readonly program: string, readonly environment: Record<string, string>, readonly further: string[]) {
    this.url = url
    this.#folder = folder
  }

  static async of(program: string, environment: Record<string, string>, ...further: string[]): Promise<Server> {
    const server = new Server(`http://127.0.0.1:${await freePort()}`, mkdtempSync(join(tmpdir(), 'or3-client-')), program, { ...environment }, further)
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const child = this.#child = spawn(this.program, ['serve', '--addr', this.url.slice('http://'.length), ...this.further], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#environment,
    })
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', line => this.log += `${line}\n`)
    let ended = false
    child.once('exit', () => ended = true)
    await until(async () => {
      if (ended) throw new Error(`the program ended before it was ready:\n${this.log}`)
      return fetch(`${this.url}/api/health/ready`).then(r => r.ok, () => false)
    })
  }

  /** Runs a command of an operator on its data, and returns what that prints. */
  async operate(...command: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.program, command, { cwd: this.#folder, env: this.#environment, maxBuffer: 1 << 30 })
    return stdout
  }

  get #environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH ?? '',
      OR3_BASIC_AUTH_BOOTSTRAP_EMAIL: ann.email,
      OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD: ann.password,
      ...settings,
      ...this.environment,
    }
  }

  /** Ends it, at once or in good order. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    await remove(this.#folder)
  }
}

/** A browser's cookies, and its way to a server, which a test can cut. */
export class Browser {
  readonly #cookies = new Map<string, string>()
  /** The id of who is signed in, where a test has said it. */
  person: string | undefined
  /** What becomes of a request; it may throw before, or lose the answer after. */
  network: (send: () => Promise<Response>, path: string, body: string) => Promise<Response> = send => send()

  /** `send` is what makes the requests. */
  constructor(readonly url: string, readonly send: typeof globalThis.fetch = globalThis.fetch) {}

  fetch: typeof globalThis.fetch = (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('origin', this.url)
    headers.set('cookie', [...this.#cookies].map(c => c.join('=')).join('; '))
    const target = String(input)
    return this.network(async () => {
      const response = await this.send(target, { ...init, headers })
      for (const cookie of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!
        if (value === '' || /max-age=0/i.test(cookie)) this.#cookies.delete(name!)
        else this.#cookies.set(name!, value!)
      }
      return response
    }, target.slice(this.url.length), typeof init?.body === 'string' ? init.body : '')
  }

  async post(path: string, body: object): Promise<unknown> {
    const headers = { 'content-type': 'application/json', 'x-or3-admin-intent': 'admin' }
    const response = await this.fetch(this.url + path, { method: 'POST', body: JSON.stringify(body), headers })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  async signIn(person = ann): Promise<this> {
    await this.post('/api/basic-auth/sign-in', person)
    return this
  }

  async register(person: typeof ann): Promise<this> {
    await this.post('/api/basic-auth/register', { ...person, confirmPassword: person.password })
    return this
  }

  /** Another browser of the same person. */
  copy(): Browser {
    const browser = new Browser(this.url, this.send)
    browser.become(this)
    return browser
  }

  /** Signs out this browser's user and signs in the user of another browser. */
  become(other: Browser): void {
    this.#cookies.clear()
    for (const [name, value] of other.#cookies) this.#cookies.set(name, value)
    this.person = other.person
  }

  signOut(): void {
    this.#cookies.clear()
    this.person = undefined
  }
}
