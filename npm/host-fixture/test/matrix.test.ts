// The matrix of npm/client against this host and its engine.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe } from 'vitest'
import { remove } from '../../or3-cloud-engine/test/folders.js'
import { freePort } from '../../or3-cloud-engine/test/port.js'
import { environment } from '../scripts/assemble.mjs'
import { settings } from '../scripts/settings.mjs'
import { buildDevice } from '../../client/matrix/build.js'
import { settings as demanded, type Host } from '../../client/matrix/host.js'
import { matrix } from '../../client/matrix/matrix.js'
import { killed } from '../../client/matrix/scenarios/faults.js'
import { alive, host, newest, program, Server, until } from './host.js'

/** The endpoints that the fixture has of those that docs/endpoints.md names, besides the account's. */
const endpoints = new Set([
  'GET /api/auth/session',
  'GET /api/workspaces', 'POST /api/workspaces', 'PATCH /api/workspaces/:id', 'DELETE /api/workspaces/:id', 'POST /api/workspaces/active',
  'POST /api/sync/push', 'POST /api/sync/pull', 'POST /api/sync/snapshot', 'POST /api/sync/update-cursor', 'POST /api/sync/gc-change-log', 'POST /api/sync/gc-tombstones',
  'GET /api/sync/events',
  'POST /api/storage/presign-upload', 'POST /api/storage/presign-download', 'POST /api/storage/commit', 'POST /api/storage/gc/run',
  'PUT /api/storage/fs/upload', 'GET /api/storage/fs/download', 'HEAD /api/storage/fs/download',
  'GET /api/health',
  'GET /api/admin/system/status', 'POST /api/admin/system/provider-action',
])

/** The host with its engine. */
class Nuxt implements Host {
  readonly page = '/device/index.html'
  readonly #folder = mkdtempSync(join(tmpdir(), 'or3-matrix-'))
  readonly #dataDir = join(this.#folder, 'data')
  readonly #env = { ...demanded, OR3_FIXTURE_DEVICE: join(this.#folder, 'page') }
  readonly #servers: Server[] = []

  constructor(readonly port: number) {}

  static async start(this: new (port: number) => Nuxt): Promise<Nuxt> {
    const nuxt = new this(await freePort())
    mkdirSync(nuxt.#dataDir, { mode: 0o700 }) // a strict host makes none
    await buildDevice(nuxt.#env.OR3_FIXTURE_DEVICE)
    await nuxt.start()
    return nuxt
  }

  get server(): Server {
    const server = this.#servers.at(-1)
    if (!server) throw new Error('it was not started')
    return server
  }

  get url(): string {
    return this.server.url
  }

  get log(): string {
    return this.#servers.map(({ said }) => said).join('')
  }

  async start(): Promise<void> {
    this.#servers.push(new Server(this.#dataDir, this.port, { env: this.#env, cwd: this.#folder }))
    await this.server.answers()
    await this.server.engine()
  }

  kill(): Promise<void> {
    return this.server.kill()
  }

  async remove(): Promise<void> {
    await this.server.kill()
    await remove(this.#folder)
  }

  async operate(...command: string[]): Promise<string> {
    const env = { ...environment(host), ...settings, ...this.#env, OR3_DATA_DIR: this.#dataDir }
    return (await promisify(execFile)(program, command, { cwd: this.#folder, env, maxBuffer: 2 ** 30 })).stdout
  }

  serves(method: string, path: string): boolean {
    // The host's CORS answers OPTIONS for every path.
    return method === 'OPTIONS' || path.startsWith('/api/basic-auth/') || endpoints.has(`${method} ${path}`)
  }
}

/** The same, of which the engine alone is killed, and started again by the host. */
class Engine extends Nuxt {
  #killed = 0

  override async kill(): Promise<void> {
    this.#killed = await this.server.engine()
    process.kill(this.#killed, 'SIGKILL')
    await until(() => !alive(this.#killed))
  }

  override async start(): Promise<void> {
    if (this.#killed === 0) return super.start()
    await until(() => this.server.engines.at(-1) !== this.#killed)
  }
}

describe.runIf(newest)('the matrix', () => {
  describe('of the host', () => matrix(() => Nuxt.start()))
  describe('of the host whose engine alone is killed', () => matrix(() => Engine.start(), { 'nothing is lost or there twice': killed }))
})
