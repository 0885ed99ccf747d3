// A server with the people who use it, for one schedule at a time: what a schedule does to the server, no other one
// feels.
import { Random } from '../random.js'
import { ann, Browser, Server } from '../server.js'
import { send } from './http.js'
import { Clock, Realm } from './realm.js'

/** How many devices a schedule has. */
export const deviceCount = 8

const { password } = ann

/** Someone with an account. */
export interface Person { id: string, email: string, browser: Browser }

/** A user may make no more workspaces than these. */
const perServer = 48

const environment = {
  // With an administrator there is an administration, through which an owner admits members.
  OR3_ADMIN_USERNAME: 'root',
  OR3_ADMIN_PASSWORD: password,
  OR3_LIMITS_ENABLED: 'false',
  OR3_SYNC_RETENTION_SECONDS: '7200',
  OR3_LOG_LEVEL: 'warn',
}

export class Lane {
  readonly realms: Realm[] = []
  server!: Server
  people: Person[] = []
  /** By how many seconds the clock of the server's stores is ahead. */
  #ahead = 0
  #used = perServer

  constructor(readonly program: string) {}

  /** A server that has room for another workspace. */
  async ready(): Promise<void> {
    while (this.realms.length < deviceCount) this.realms.push(await Realm.open(new Clock(0), new Random(0)))
    if (this.#used++ < perServer) return
    await this.close()
    this.#used = 1
    this.#ahead = 0
    this.server = await Server.of(this.program, environment)
    const owner = await new Browser(this.server.url, send).signIn()
    const others = await Promise.all(['ben', 'cleo'].map(async name => new Browser(this.server.url, send).register({ email: `${name}@example.test`, password })))
    this.people = await Promise.all([owner, ...others].map(async (browser, n): Promise<Person> => {
      const answer = await browser.fetch(`${this.server.url}/api/auth/session`)
      const { session } = await answer.json() as { session: { user: { id: string } } }
      browser.person = session.user.id
      return { id: session.user.id, email: `${['ann', 'ben', 'cleo'][n]}@example.test`, browser }
    }))
  }

  /** Do not use anything of it any more: a schedule that hangs still has it. */
  spoil(): void {
    this.realms.length = 0
    this.#used = perServer
  }

  async down(signal: NodeJS.Signals): Promise<void> {
    await this.server.stop(signal)
  }

  async up(): Promise<void> {
    this.server.environment.CLOCK_AHEAD = String(this.#ahead)
    await this.server.start()
  }

  /** Lets time pass for the server's stores. */
  async pass(seconds: number): Promise<void> {
    this.#ahead += seconds
    await this.people[0]!.browser.post('/api/test/clock', { ahead: this.#ahead })
  }

  async close(): Promise<void> {
    await this.server?.remove()
  }
}
