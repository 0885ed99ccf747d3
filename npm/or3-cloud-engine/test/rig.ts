// What several tests need: folders, the real engine, a host in front of it.
import http from 'node:http'
import { mkdtempSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import { EngineError } from '../src/errors.js'
import { Engine, type EngineOptions } from '../src/engine.js'
import type { Caller, SessionAnswer } from '../src/methods.js'
import { browserRequest } from '../src/relay.js'
import { remove } from './folders.js'

export const user = { name: 'or3-provider-test', version: '0.1.0' }
export const email = 'ann@example.test'
export const password = 'Correct-Horse-9-Battery'

/** A folder that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'or3-test-'))
  onTestFinished(() => remove(path))
  return path
}

/** What a host's process has in its environment: our program, an account, and none of the tester's own. */
export function environment(more: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    OR3_CLOUD_BIN: inject('program'),
    OR3_BASIC_AUTH_BOOTSTRAP_EMAIL: email,
    OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD: password,
    ...more,
  }
}

export interface Started {
  engine: Engine
  dataDir: string
  lines: string[]
  release: () => Promise<void>
}

/** An engine with the real program, which ends with the test. */
export function start({
  env = {},
  dataDir = folder(),
  ...options
}: Partial<EngineOptions> & { env?: Record<string, string> } = {}): Started {
  const lines: string[] = []
  const engine = new Engine({
    user,
    dataDir,
    search: { env: environment(env) },
    log: (_, line) => lines.push(line),
    patience: 60_000,
    ...options,
  })
  const release = engine.enter(user)
  onTestFinished(release)
  return { engine, dataDir, lines, release }
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  }
  catch {
    return false
  }
  // A process that has ended and that no one has waited for is still listed.
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  }
  catch {
    return process.platform !== 'linux'
  }
}

export async function userAndWorkspace(engine: Engine): Promise<{ userId: string, workspaceId: string }> {
  const { userId } = await engine.call(
    'workspaces/get-or-create-user',
    { provider: 'test', providerUserId: 'ann' },
    undefined,
  )
  const { workspaceId } = await engine.call('workspaces/get-or-create-default-workspace', { userId }, undefined)
  return { userId, workspaceId }
}

export interface Host {
  url: string
  /** For whom the host relays; changed by tests. */
  caller: Caller
  /** What sign-in and other tests have made the host see. */
  session: (cookie: string) => Promise<SessionAnswer>
}

/** A host as a Nuxt server is one: it relays what browsers send. */
export async function hostOf(engine: Engine): Promise<Host> {
  const server = http.createServer((request, response) => {
    response.setHeader('x-from-host', 'yes')
    response.setHeader('set-cookie', 'host=1')
    engine.relay(request, response, { caller: host.caller }).catch((error: unknown) => {
      if (!(error instanceof EngineError)) throw error
      response.statusCode = error.status
      if (error.retryAfter !== undefined) response.setHeader('retry-after', error.retryAfter)
      response.end(error.message)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const { port } = server.address() as AddressInfo
  const host: Host = {
    url: `http://127.0.0.1:${port}`,
    caller: { clientIp: '203.0.113.7', host: `127.0.0.1:${port}` },
    session: cookie =>
      engine.session(
        { ...browserRequest({ method: 'GET', url: '/', headers: {} } as http.IncomingMessage), headers: { cookie } },
        host.caller,
      ),
  }
  return host
}

/** Signs in as a browser does, and returns its Cookie header. */
export async function signIn(host: Host): Promise<string> {
  const answer = await fetch(`${host.url}/api/basic-auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'origin': host.url },
    body: JSON.stringify({ email, password }),
  })
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return answer.headers
    .getSetCookie()
    .map(cookie => cookie.split(';')[0])
    .filter(cookie => cookie !== 'host=1')
    .join('; ')
}
