/** A host with the server's half at work, in this process, and the real engine behind it. */
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, createRouter, eventHandler, setResponseHeader, toNodeListener } from 'h3'
import { createHooks } from 'hookable'
import type { NitroApp } from 'nitropack/types'
import { inject, onTestFinished } from 'vitest'
import { endpoints, signOut } from '../src/endpoints'
import { cloud } from '../src/runtime/server/cloud'
import endpoint from '../src/runtime/server/endpoint'
import register from '../src/runtime/server/plugins/register'
import signOutEndpoint from '../src/runtime/server/sign-out'
import { remove } from '../../or3-cloud-engine/test/folders'
import { config, registered, resolveSessionContext, revoked } from './nuxt'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the real program. */
    program: string
  }
}

export const email = 'ann@example.test'
export const password = 'Correct-Horse-9-Battery'

export const selected = { auth: { enabled: true, provider: 'basic-auth' }, app: { baseURL: '/' } }
export const firstAccount = { OR3_BASIC_AUTH_BOOTSTRAP_EMAIL: email, OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD: password }

export class TestHost {
  constructor(readonly url: string, readonly close: () => Promise<void>) {}

  post(path: string, body?: object, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}/api/basic-auth/${path}`, {
      method: 'POST',
      headers: { origin: this.url, ...(body && { 'content-type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
    })
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}/api/${path}`, { headers })
  }

  /** signIn returns the Cookie header of a browser that has signed in. */
  async signIn(): Promise<string> {
    const answer = await this.post('sign-in', { email, password })
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
    return cookiesOf(answer)
  }
}

/** cookiesOf is what a browser sends from then on. */
export function cookiesOf(answer: Response): string {
  return answer.headers.getSetCookie().map(cookie => cookie.split(';')[0]!).filter(cookie => !cookie.endsWith('=')).join('; ')
}

/** startHost runs the plugin as Nitro does, without waiting for it, and serves what the module registers. */
export async function startHost(
  { runtime = selected, env = firstAccount }: { runtime?: object, env?: Record<string, string> } = {},
): Promise<TestHost> {
  const folder = mkdtempSync(join(tmpdir(), 'or3-basic-auth-'))
  const before = { ...process.env }
  Object.assign(process.env, { OR3_CLOUD_BIN: inject('program'), OR3_DATA_DIR: join(folder, 'data'), ...env })
  for (const key of Object.keys(config)) Reflect.deleteProperty(config, key)
  Object.assign(config, runtime)
  for (const registry of Object.values(registered)) registry.clear()
  revoked.length = 0

  const hooks = createHooks()
  register({ hooks } as unknown as NitroApp)
  const router = createRouter()
  for (const { method, route } of endpoints) router.use(route, route === signOut ? signOutEndpoint : endpoint, method)
  router.get('/api/auth/session', eventHandler(async (event) => {
    const session = await resolveSessionContext(event)
    setResponseHeader(event, 'cache-control', 'no-store')
    return { session: session.authenticated ? session : null }
  }))
  router.get('/api/caller', eventHandler(async event => cloud.caller(event, await resolveSessionContext(event))))
  router.get('/api/status', eventHandler(event => registered.admins.get('auth:basic-auth')!.getStatus(event)))
  router.post('/api/action', eventHandler(event => registered.admins.get('auth:basic-auth')!.runAction(event, 'x', undefined, {})))
  const server = createServer(toNodeListener(createApp().use(router)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await hooks.callHook('close')
    process.env = before
    await remove(folder)
  })
  return new TestHost(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, () => hooks.callHook('close') as Promise<void>)
}
