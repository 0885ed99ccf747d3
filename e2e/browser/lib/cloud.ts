import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { freePort } from '../../../npm/or3-cloud-engine/test/port.ts'

const binary = process.env.OR3_CLOUD_BIN ?? join(import.meta.dirname, '../../../or3-cloud')

/** A person in these tests. */
export interface Person {
  email: string
  password: string
  name?: string
}

/** Cloud is the real program, running in an empty directory of its own. */
export class Cloud {
  readonly url: string
  readonly directory: string
  /** The one-time link for the first account; empty if there is an account or none can be created. */
  setup = ''
  /** The log. */
  log = ''
  readonly #environment: Record<string, string>
  readonly #arguments: string[]
  #setupUsed = false
  #child: ChildProcess | undefined

  private constructor(url: string, directory: string, environment: Record<string, string>, further: string[]) {
    this.url = url
    this.directory = directory
    this.#arguments = further
    this.#environment = { PATH: process.env.PATH ?? '', OR3_PUBLIC_URL: url, ...environment }
  }

  /**
   * start runs the program and resolves when it is ready. Its address is localhost, because passkeys belong to a
   * name.
   */
  static async start(environment: Record<string, string> = {}, ...further: string[]): Promise<Cloud> {
    const directory = await mkdtemp(join(tmpdir(), 'or3-cloud-browser-'))
    const cloud = new Cloud(`http://localhost:${await freePort()}`, directory, environment, further)
    try {
      await cloud.#serve()
    }
    catch (error) {
      await cloud.stop()
      throw error
    }
    return cloud
  }

  async #serve() {
    const child = this.#child = spawn(binary, ['serve', '--addr', new URL(this.url).host.replace('localhost', '127.0.0.1'), ...this.#arguments], {
      cwd: this.directory, env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'],
    })
    let linkRead = () => {}
    const link = new Promise<void>(resolve => linkRead = resolve)
    const ready = new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', () => reject(new Error(`the program ended before it was ready:\n${this.log}`)))
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.setup ||= line.match(/http:\S+#setup=\S+/)?.[0] ?? ''
        if (this.setup) linkRead()
      })
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.log += line + '\n'
        if (line.includes('"msg":"ready"')) resolve()
      })
    })
    await ready
    const config = await fetch(`${this.url}/api/basic-auth/config`)
    if (config.ok && (await config.json() as { setupRequired: boolean }).setupRequired) await link
  }

  /** register creates the first account, as its one-time link does, or another one if that is allowed. */
  async register({ email, password, name }: Person): Promise<void> {
    const inviteToken = this.#setupUsed ? undefined : new URL(this.setup || this.url).hash.replace('#setup=', '') || undefined
    this.#setupUsed = true // it creates one account, and is refused afterwards
    await this.post('register', { email, password, confirmPassword: password, displayName: name, inviteToken })
  }

  /** post calls an account endpoint as another program would. */
  async post(path: string, body: object): Promise<Response> {
    const response = await fetch(`${this.url}/api/basic-auth/${path}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response
  }

  /** age makes everyone's last proof of identity so old that the next sensitive change requires a new one. */
  age(): void {
    const accounts = new DatabaseSync(join(this.directory, 'data/basic-auth.sqlite'))
    accounts.exec('PRAGMA busy_timeout = 5000; UPDATE sessions SET authenticated_at = 0')
    accounts.close()
  }

  /** run runs an operator command while the server is running, and resolves to its output. */
  async run(...args: string[]): Promise<string> {
    const child = spawn(binary, args, { cwd: this.directory, env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let printed = '', complaints = ''
    child.stdout.on('data', (data: Buffer) => { printed += data })
    child.stderr.on('data', (data: Buffer) => { complaints += data })
    const [code] = await once(child, 'close') as [number | null]
    if (code !== 0) throw new Error(`or3-cloud ${args.join(' ')}: ${complaints}`)
    return printed
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
    await rm(this.directory, { recursive: true, force: true })
  }
}
