// What the tests share: the real server, people with cookies, devices with databases, and a network that can be cut.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { Dexie } from 'dexie'
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'
import { inject, onTestFinished } from 'vitest'
import { remove, until } from '../../or3-cloud-engine/test/folders.js'
import { settings } from '../matrix/host.js'
import { connect, syncStores, type Sync, type SyncEvents, type SyncOptions } from '../src/index.js'

export { until }

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the real program. */
    program: string
  }
}

// Newer versions of Node.js have locks, which hold back all tabs but one. Here each tab syncs, which is harder.
Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true })

export const ann = { email: 'ann@example.test', password: 'Correct-Horse-9-Battery' }

/** The real program, in a directory of its own. */
export class Server {
  readonly url: string
  readonly #folder: string
  #child: ChildProcess | undefined
  log = ''

  private constructor(url: string, folder: string, readonly environment: Record<string, string>, readonly further: string[]) {
    this.url = url
    this.#folder = folder
  }

  static async start(environment: Record<string, string> = {}, ...further: string[]): Promise<Server> {
    const server = new Server(`http://127.0.0.1:${await freePort()}`, mkdtempSync(join(tmpdir(), 'or3-client-')), environment, further)
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const child = this.#child = spawn(inject('program'), ['serve', '--addr', this.url.slice('http://'.length), ...this.further], {
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
    const { stdout } = await promisify(execFile)(inject('program'), command, { cwd: this.#folder, env: this.#environment, maxBuffer: 1 << 30 })
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A browser's cookies, and its way to a server, which a test can cut. */
export class Browser {
  readonly #cookies = new Map<string, string>()
  /** What becomes of a request; it may throw before, or lose the answer after. */
  network: (send: () => Promise<Response>, path: string, body: string) => Promise<Response> = send => send()

  constructor(readonly url: string) {}

  fetch: typeof globalThis.fetch = (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('origin', this.url)
    headers.set('cookie', [...this.#cookies].map(c => c.join('=')).join('; '))
    const target = String(input)
    return this.network(async () => {
      const response = await globalThis.fetch(target, { ...init, headers })
      for (const cookie of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!
        if (value === '' || /max-age=0/i.test(cookie)) this.#cookies.delete(name!)
        else this.#cookies.set(name!, value!)
      }
      return response
    }, target.slice(this.url.length), typeof init?.body === 'string' ? init.body : '')
  }

  async post(path: string, body: object): Promise<unknown> {
    const response = await this.fetch(this.url + path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return JSON.parse(text)
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
    const browser = new Browser(this.url)
    browser.become(this)
    return browser
  }

  /** Whoever has used this browser is signed out, and the person of another one is signed in. */
  become(other: Browser): void {
    this.#cookies.clear()
    for (const [name, value] of other.#cookies) this.#cookies.set(name, value)
  }

  signOut(): void {
    this.#cookies.clear()
  }
}

/** A row of the tests. */
export interface Todo { id: string, title: string, done?: boolean, [more: string]: unknown }

export type Database = Dexie & { todos: Dexie.Table<Todo, string>, notes: Dexie.Table<Todo, string>, [table: string]: unknown }

/** A tab of a device: its database and its sync. */
export interface Tab { db: Database, sync: Sync, events: { [K in keyof SyncEvents]?: SyncEvents[K][] } }

let devices = 0

/** A device: what its tabs share. */
export class Device {
  readonly indexedDB = new IDBFactory()
  readonly name = `device-${++devices}`
  readonly tabs = new Set<Tab>()

  constructor(readonly browser: Browser) {}

  /** A database of the device that is not connected. */
  database(stores: Record<string, string> = {}): Database {
    const db = new Dexie(this.name, { indexedDB: this.indexedDB, IDBKeyRange }) as Database
    db.version(1).stores({ todos: 'id', notes: 'id, &slug', threads: 'id', messages: 'id', kv: 'id, &name', ...syncStores, ...stores })
    return db
  }

  open(options: SyncOptions = { tables: ['todos'] }, db = this.database()): Tab {
    const sync = connect(db, { app: 'test', url: this.browser.url, fetch: this.browser.fetch, ...options })
    const events: Record<string, unknown[]> = {}
    for (const name of ['conflict', 'refused', 'unapplied', 'account', 'clock', 'storage', 'file', 'error', 'sent', 'received'] as const)
      sync.on(name, event => (events[name] ??= []).push(event))
    const tab = { db, sync, events } as Tab
    this.tabs.add(tab)
    return tab
  }

  async close(tab: Tab): Promise<void> {
    this.tabs.delete(tab)
    await tab.sync.close()
    tab.db.close()
  }
}

/** A device that ends with the test. */
export function device(browser: Browser): Device {
  const d = new Device(browser)
  onTestFinished(async () => {
    for (const tab of d.tabs) await d.close(tab)
  })
  return d
}

/** The rows of a table by their keys. */
export async function rows(tab: Tab, table = 'todos'): Promise<Record<string, unknown>> {
  return Object.fromEntries((await tab.db.table(table).toArray()).map((r: Todo) => [r.id, r]))
}
