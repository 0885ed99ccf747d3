// Starts the host that scripts/run.mjs has built, and what else the tests share.
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, mkdtempSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { remove, until } from '../../or3-cloud-engine/test/folders.js'
import { freePort } from '../../or3-cloud-engine/test/port.js'
import { environment } from '../scripts/assemble.mjs'
import { email, password, settings } from '../scripts/settings.mjs'

export { until }

function demanded(name: 'OR3_FIXTURE' | 'OR3_FIXTURE_FORM'): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run scripts/run.mjs`)
  return value
}

const work = demanded('OR3_FIXTURE')
export const newest = demanded('OR3_FIXTURE_FORM') === 'newest'
/** The folder of the host, with its sources. */
export const host = join(work, 'host')
/** The build with our packages, and the one without. */
export const built = join(host, '.output')
export const bare = join(work, 'bare')
/** The program that was installed with the packages. */
export const program = join(host, `node_modules/@or3-cloud/${process.platform}-${process.arch}/bin/or3-cloud`)
/** What the builds have said. */
export const said = (build: 'build' | 'bare') => readFileSync(join(work, `${build}.log`), 'utf8')

/** A folder that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'or3-fixture-'))
  onTestFinished(() => remove(path))
  return path
}

export function alive(pid: number): boolean {
  try {
    // A process that has ended and that no one has waited for is still listed.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  }
  catch {
    return false
  }
}

/**
 * The environment in which a build that has chosen ours chooses these providers, as its configuration would follow from
 * them.
 */
export const chosen = (auth: string, sync: string, storage: string) => ({
  AUTH_PROVIDER: auth,
  OR3_SYNC_PROVIDER: sync,
  NUXT_PUBLIC_STORAGE_PROVIDER: storage,
  NUXT_AUTH_PROVIDER: auth,
  NUXT_PUBLIC_AUTH_PROVIDER: auth,
  NUXT_SYNC_PROVIDER: sync,
  NUXT_PUBLIC_SYNC_PROVIDER: sync,
  NUXT_LIMITS_STORAGE_PROVIDER: sync,
  NUXT_BACKGROUND_JOBS_STORAGE_PROVIDER: sync,
  NUXT_STORAGE_PROVIDER: storage,
})

/** The environment in which a build that has them all leaves parts out, as its configuration would follow from it. */
export const without = (...parts: ('sync' | 'storage')[]) => ({
  ...(parts.includes('sync') && {
    OR3_SYNC_ENABLED: 'false',
    NUXT_SYNC_ENABLED: 'false',
    NUXT_PUBLIC_SYNC_ENABLED: 'false',
    NUXT_LIMITS_STORAGE_PROVIDER: 'memory',
    NUXT_BACKGROUND_JOBS_STORAGE_PROVIDER: 'memory',
  }),
  ...(parts.includes('storage') && { OR3_STORAGE_ENABLED: 'false', NUXT_STORAGE_ENABLED: 'false', NUXT_PUBLIC_STORAGE_ENABLED: 'false' }),
})

/** The environment in which nothing is left of it. */
export const switchedOff = { ...without('sync', 'storage'), SSR_AUTH_ENABLED: 'false', NUXT_AUTH_ENABLED: 'false', NUXT_PUBLIC_SSR_AUTH_ENABLED: 'false' }

export interface StartOptions {
  env?: Record<string, string>
  dataDir?: string
  /** The arguments of Node, if not those that start the build. */
  command?: string[]
  cwd?: string
}

/** A server process of the host. */
export class Server {
  /** All that it has said. */
  said = ''
  readonly process: ChildProcess
  readonly url: string
  readonly #ended: Promise<void>

  constructor(readonly dataDir: string, port: number, { env = {}, command = [join(built, 'server/index.mjs')], cwd = dataDir }: StartOptions) {
    this.url = `http://127.0.0.1:${port}`
    this.process = spawn(join(host, 'node_modules/.bin/node'), command, {
      cwd,
      env: {
        ...environment(host),
        ...settings,
        NUXT_SECURITY_FORCE_HTTPS: 'false', // a build turns it on
        OR3_DATA_DIR: dataDir,
        OR3_RATE_LIMIT_OVERRIDES_JSON: budgets,
        PORT: String(port),
        HOST: '127.0.0.1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (text: Buffer) => (this.said += text.toString()))
    }
    this.#ended = once(this.process, 'close').then(() => undefined)
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  /** Waits until it has said something. */
  async says(what: string | RegExp): Promise<void> {
    await until(() => {
      if (typeof what === 'string' ? this.said.includes(what) : what.test(this.said)) return true
      if (this.ended) throw new Error(`the host has ended and not said ${String(what)}:\n${this.said}`)
      return false
    })
  }

  /** Waits until it can be asked. */
  async answers(): Promise<void> {
    await until(async () => {
      if (this.ended) throw new Error(`the host has ended:\n${this.said}`)
      return (await this.ask('GET', '/api/health').catch(() => undefined))?.status === 200
    })
  }

  /** The processes of engines that it has spoken of, the newest last. */
  get engines(): number[] {
    return [...this.said.matchAll(/or3-cloud \S+, process (\d+)/g)].map(([, pid]) => Number(pid))
  }

  /** The processes that it has started and that run. */
  get children(): number[] {
    const { pid } = this.process
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number)
  }

  /** The process of its engine. */
  async engine(): Promise<number> {
    await until(() => this.ended || this.engines.length > 0)
    const pid = this.engines.at(-1)
    if (pid === undefined) throw new Error(`the host has ended:\n${this.said}`)
    return pid
  }

  /** Ends it and its engine at once: neither has a last moment in which it sees the other one end. */
  async kill(): Promise<void> {
    const engines = this.children
    for (const pid of [this.process.pid ?? 0, ...engines]) process.kill(pid, 'SIGSTOP')
    for (const pid of engines) process.kill(pid, 'SIGKILL')
    await this.end('SIGKILL')
    await until(() => !engines.some(alive))
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.process.kill(signal)
    await this.#ended
  }

  /** Its exit code, once it has ended by itself. */
  async exit(): Promise<number | null> {
    await this.#ended
    return this.process.exitCode
  }

  /** A request, as a browser sends it; cookies are those of a device. */
  ask(method: string, path: string, body?: unknown, device?: Cookies): Promise<Response> {
    return fetch(this.url + path, {
      method,
      redirect: 'manual',
      headers: {
        'x-or3-cloud-intent': 'mutation',
        ...(device && { cookie: device.header }),
        ...(method !== 'GET' && { origin: this.url }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }
}

/** The host's own limits are not what is tested. */
const budgets = JSON.stringify(Object.fromEntries(
  ['sync:push', 'sync:pull', 'sync:snapshot', 'sync:cursor', 'auth:session'].map(operation => [operation, { windowMs: 60_000, maxRequests: 1_000_000 }]),
))

/** Starts a host, which ends with the test, without waiting for it. */
export async function launch(options: StartOptions = {}): Promise<Server> {
  const server = new Server(options.dataDir ?? folder(), await freePort(), options)
  onTestFinished(() => server.end('SIGKILL'))
  return server
}

/** Starts a host, and waits until it can be asked. */
export async function start(options: StartOptions = {}): Promise<Server> {
  const server = await launch(options)
  await server.answers()
  return server
}

/** The cookies of a device without a browser. */
export class Cookies {
  readonly #values = new Map<string, string>()

  get header(): string {
    return [...this.#values].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  set(name: string, value: string): this {
    this.#values.set(name, value)
    return this
  }

  take(answer: Response): void {
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = '', ...attributes] = cookie.split(';')
      const at = pair.indexOf('=')
      if (attributes.some(attribute => /^\s*max-age=0$/i.test(attribute))) this.#values.delete(pair.slice(0, at))
      else this.#values.set(pair.slice(0, at), pair.slice(at + 1))
    }
  }
}

/** Signs in without a browser. */
export async function signIn(server: Server): Promise<Cookies> {
  const device = new Cookies()
  const answer = await server.ask('POST', '/api/basic-auth/sign-in', { email, password })
  if (answer.status !== 200) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`)
  device.take(answer)
  return device
}

interface Session {
  session: { authenticated: true, provider: string, user: { id: string, email?: string }, workspace: { id: string, name: string }, role: string, deploymentAdmin: boolean } | null
}

export async function sessionOf(server: Server, device: Cookies): Promise<NonNullable<Session['session']>> {
  const answer = await server.ask('GET', '/api/auth/session', undefined, device)
  device.take(answer)
  const { session } = await answer.json() as Session
  if (!session) throw new Error('no one is signed in')
  return session
}

/** An op that writes a document. */
export function documentOp(title: string) {
  const id = crypto.randomUUID()
  const seconds = Math.floor(Date.now() / 1000)
  const payload = { id, title, content: '', post_type: 'doc', deleted: false, created_at: seconds, updated_at: seconds, clock: 1 }
  const stamp = { deviceId: 'device-1', opId: crypto.randomUUID(), hlc: `${Date.now().toString(36).padStart(9, '0')}:000:device-1`, clock: 1 }
  return { id, tableName: 'posts', operation: 'put', pk: id, payload, stamp, createdAt: Date.now(), attempts: 0, status: 'pending' }
}
