import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createApp, createError, createRouter, eventHandler, toNodeListener } from 'h3'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { EngineError } from '../src/errors.js'
import {
  browserOf,
  isStrict,
  providerAdmin,
  ProviderHost,
  type AdminStatus,
  type HostConfig,
  type HostSession,
} from '../src/nitro.js'
import { settingsOf } from '../src/settings.js'
import { until } from './folders.js'
import { alive, email, environment, folder, password } from './rig.js'

const user = { name: 'or3-provider-test', version: '0.1.0' }
const script = fileURLToPath(new URL('hosts/nitro.mjs', import.meta.url))

/** A server of h3 with one route of each kind, and the real engine behind it. */
async function serve(
  config: HostConfig = {},
): Promise<{ url: string, host: ProviderHost, close: () => Promise<void> }> {
  const dataDir = folder()
  for (const [name, value] of Object.entries({ ...environment(), OR3_DATA_DIR: dataDir })) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
  const host = new ProviderHost({ user, createError, config: () => config })
  let close: () => Promise<void> = () => Promise.reject(new Error('no hook'))
  host.start({ hooks: { hook: (_, run) => (close = run) } }, { mode: 'development' })
  onTestFinished(() => close())
  const who: HostSession = { authenticated: true, provider: 'basic-auth', workspace: { id: 'w' }, role: 'editor' }
  const pull = { scope: { workspaceId: 'w' }, cursor: 0, limit: 1 }
  const admin = providerAdmin(host, { id: 'fs', kind: 'storage' })
  const router = createRouter()
    .use('/me', eventHandler(async (event) => {
      const session = await host.session(event)
      const providerUserId = session?.userId
      return { session, caller: host.caller(event, { ...who, providerUserId, user: { id: 'internal' } }) }
    }))
    .use('/role', eventHandler(event => host.call(event, 'sync/pull', pull, { ...who, user: { id: 'u' } })))
    .use('/anonymous', eventHandler(event => host.call(event, 'sync/pull', pull, { authenticated: false })))
    .use('/status', eventHandler(event => admin.getStatus(event)))
    .use('/action/:id', eventHandler(async event => ({
      result: await admin.runAction(
        event,
        event.context.params?.id ?? '',
        { retentionDays: 90 },
        { session: who },
      ),
    })))
    .use('/**', eventHandler(event => host.relay(event)))
  const server = http.createServer(toNodeListener(createApp().use(router)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, host, close: () => close() }
}

describe('in a server of h3', () => {
  test('sign-in is relayed, the session is proven, and the caller says which session it is', async () => {
    const { url } = await serve()
    const answer = await fetch(`${url}/api/basic-auth/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'origin': url },
      body: JSON.stringify({ email, password }),
    })
    expect([answer.status, await answer.json()]).toEqual([200, { ok: true }])
    const cookie = answer.headers.getSetCookie().map(set => set.split(';')[0]).join('; ')
    const me = await (await fetch(`${url}/me`, { headers: { cookie } })).json() as { session: { sessionId: string } }
    expect(me).toMatchObject({
      session: { email, provider: 'basic-auth' },
      caller: {
        clientIp: '127.0.0.1',
        host: new URL(url).host,
        user: { id: 'internal', role: 'editor', workspaceId: 'w', sessionId: me.session.sessionId },
      },
    })
    const refresh = cookie.split('; ').filter(one => one.startsWith('or3_refresh')).join('; ')
    const renewed = await fetch(`${url}/me`, { headers: { cookie: refresh } })
    expect(await renewed.json()).toMatchObject({ session: { email } })
    expect(renewed.headers.getSetCookie().join()).toContain('or3_access=')
    expect(await (await fetch(`${url}/me`)).json()).toMatchObject({ session: null })
  })

  test('faults of the engine are errors of the host, with their status', async () => {
    const { url } = await serve()
    const refused = await fetch(`${url}/role`)
    expect([refused.status, await refused.json()]).toMatchObject([403, { statusCode: 403, statusMessage: 'Forbidden' }])
    expect((await fetch(`${url}/anonymous`)).status).toBe(401)
  })

  test('an engine that is killed or let go is a 503 with Retry-After, and never "signed out"', async () => {
    const { url, host, close } = await serve()
    const { pid } = await host.engine.started()
    process.kill(pid, 'SIGSTOP') // it is asked, and dies before it answers
    const asked = Promise.all(['/me', '/role', '/api/basic-auth/config'].map(path => fetch(url + path)))
    process.kill(pid, 'SIGKILL')
    for (const answer of await asked) {
      // What had not been sent yet waits for the next engine.
      if (answer.status === 503) expect(answer.headers.get('retry-after')).toBe('1')
      else expect([200, 403]).toContain(answer.status)
    }
    await until(() => !alive(pid))
    expect((await fetch(`${url}/me`)).status).toBe(200)
    await close()
    for (const path of ['/me', '/role', '/api/basic-auth/config']) {
      const answer = await fetch(url + path)
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
      expect(await answer.json()).toMatchObject({ statusMessage: 'The cloud is temporarily unavailable' })
    }
  })

  test('the engine opens what the host has chosen, whatever the environment says later', async () => {
    vi.stubEnv('OR3_STORAGE_PROVIDER', 'fs')
    const { host, url } = await serve({
      auth: { enabled: true, provider: 'basic-auth', registrationMode: 'disabled' },
      sync: { enabled: true, provider: 'sqlite' },
      storage: { enabled: true, provider: 's3' },
    })
    expect((await host.engine.hello()).providers).toEqual({ auth: 'basic-auth', sync: 'sqlite', storage: '' })
    expect(await (await fetch(`${url}/api/basic-auth/config`)).json()).toMatchObject({ registration: 'disabled' })
  })

  test('administrators see package, program and state, also while there is no engine', async () => {
    const { url, host, close } = await serve()
    const status = await (await fetch(`${url}/status`)).json() as AdminStatus
    expect(status).toMatchObject({ details: { package: host.packageText }, actions: [{ id: 'storage.gc' }] })
    expect(status.details.engine).toMatch(/^or3-cloud \S+$/)
    expect(await (await fetch(`${url}/action/storage.gc`)).json()).toMatchObject({ result: { deleted_count: 0 } })
    const unknown = await fetch(`${url}/action/x`)
    expect([unknown.status, await unknown.json()]).toMatchObject([400, { statusMessage: 'Unknown action' }])
    await close()
    const down = await (await fetch(`${url}/status`)).json() as AdminStatus
    expect(down).toMatchObject({ warnings: [{ level: 'error' }], actions: [] })
    expect((await fetch(`${url}/action/storage.gc`)).status).toBe(503)
  })

  test('while pages are rendered in advance, nothing is started or asked', async () => {
    const host = new ProviderHost({ user, createError, config: () => ({}) })
    host.start({ hooks: { hook: () => expect.unreachable() } }, { mode: 'prerender' })
    expect(await host.session({ node: { req: {}, res: {} }, context: {} } as never)).toBeNull()
    await expect(host.call(undefined, 'auth/setup', {})).rejects.toMatchObject({ statusCode: 503 })
  })
})

test('what a host has chosen is told by the names that win, and what it leaves open is not', () => {
  expect(
    settingsOf({
      auth: { enabled: false, provider: '', autoProvision: false, invite: { tokenSecret: 's', tokenTtlSeconds: 60 } },
      sync: { enabled: true, provider: undefined },
      security: { allowedOrigins: ['https://a.example', 'https://b.example'] },
      app: { baseURL: '/chat/' },
    }),
  ).toEqual({
    SSR_AUTH_ENABLED: 'false',
    OR3_AUTH_AUTO_PROVISION: 'false',
    OR3_AUTH_INVITE_TOKEN_SECRET: 's',
    OR3_AUTH_INVITE_TOKEN_TTL_SECONDS: '60',
    OR3_CLOUD_SYNC_ENABLED: 'true',
    OR3_ALLOWED_ORIGINS: 'https://a.example,https://b.example',
    OR3_BASE_PATH: '/chat',
  })
  expect(settingsOf({ app: { baseURL: '/' } })).toEqual({})
})

test('errors that are none of the engine stay as they are', () => {
  const host = new ProviderHost({ user, createError, config: () => ({}) })
  const own = new TypeError('x')
  expect(host.error(own)).toBe(own)
  const fault = new EngineError({ code: 'rate_limited', status: 429, message: 'Too many', retryAfter: 3 })
  expect(host.error(fault)).toMatchObject({ statusCode: 429, statusMessage: 'Too many', unhandled: false })
})

describe('who asks', () => {
  const request = (headers: Record<string, string>, socket: object | null = { remoteAddress: '10.0.0.1' }) =>
    ({ headers, ...(socket && { socket }) }) as unknown as IncomingMessage
  const trusting: HostConfig = { security: { proxy: { trustProxy: true, forwardedForHeader: 'x-forwarded-for' } } }
  const headers = {
    'host': ' Chat.Example:3000 ',
    'x-forwarded-for': '2001:db8::7, 10.0.0.9',
    'x-forwarded-host': 'Chat.Example, inner',
    'x-forwarded-proto': 'https, http',
    'x-real-ip': '203.0.113.9',
  }

  test('no proxy is believed unless the host does', () => {
    const plain = { clientIp: '10.0.0.1', host: 'chat.example:3000' }
    expect(browserOf(request(headers), {})).toEqual(plain)
    expect(browserOf(request(headers), { security: { proxy: { trustProxy: 'false' } } })).toEqual(plain)
    expect(browserOf(request({}, { remoteAddress: '::ffff:10.0.0.1', encrypted: true }), {})).toEqual({
      clientIp: '::ffff:10.0.0.1',
      https: true,
    })
    expect(browserOf(request({}, null), {})).toEqual({})
  })

  test('a believed proxy says address, host and scheme', () => {
    const told = { clientIp: '2001:db8::7', host: 'chat.example', https: true }
    expect(browserOf(request(headers), trusting)).toEqual(told)
    const port = { ...headers, 'x-forwarded-host': 'chat.example:443' }
    expect(browserOf(request(port), trusting)).toEqual(told)
    expect(browserOf(request({ ...port, 'x-forwarded-proto': 'http' }), trusting).host).toBe('chat.example:443')
    const realIp: HostConfig = { security: { proxy: { trustProxy: true, forwardedForHeader: 'X-Real-IP' } } }
    expect(browserOf(request(headers), realIp)).toEqual({ ...told, clientIp: '203.0.113.9' })
    expect(browserOf(request({ ...headers, 'x-forwarded-proto': 'http' }, { encrypted: true }), trusting)).toEqual({
      clientIp: '2001:db8::7',
      host: 'chat.example',
    })
  })

  const odd = ['', 'unknown', '1.2.3.4:80', '999.1.1.1', '"x"', 'a b']
  test.each(odd)('an address %j of a proxy is none', (forwarded) => {
    const asked = request({ 'host': 'inner', 'x-forwarded-for': forwarded })
    expect(browserOf(asked, trusting)).toEqual({ clientIp: '10.0.0.1' })
  })
})

describe('strict', () => {
  test.each<[HostConfig, Record<string, string>, boolean]>([
    [{}, {}, false],
    [{}, { NODE_ENV: 'development', OR3_STRICT_CONFIG: 'false' }, false],
    [{}, { NODE_ENV: 'production' }, true],
    [{}, { OR3_STRICT_CONFIG: 'true' }, true],
    [{ auth: { strict: true } }, {}, true],
  ])('%j with %j: %s', (config, env, strict) => expect(isStrict(config, env)).toBe(strict))

  /** Runs a host with an environment, and returns its code if it ends, with all that it said. */
  async function run(
    mode: string,
    env: Record<string, string>,
    enough: RegExp,
  ): Promise<[number | null | 'stays', string]> {
    const child = spawn(process.execPath, [script, mode], { env: { ...environment(env), OR3_DATA_DIR: folder() } })
    const ended = once(child, 'close') as Promise<[number | null]>
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await ended
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', piece => (said += String(piece)))
    const stays = until(() => enough.test(said)).then(() => 'stays' as const)
    const code = await Promise.race([ended.then(([code]) => code), ...(mode === 'production' ? [] : [stays])])
    return [code, said]
  }

  test('a host without the program does not start, and says what is missing; elsewhere it runs', async () => {
    const env = { OR3_CLOUD_BIN: '/nowhere/or3-cloud' }
    const [code, said] = await run('production', env, /./)
    expect([code, said]).toEqual([1, expect.stringContaining('OR3_CLOUD_BIN is /nowhere/or3-cloud')])
    expect(said).not.toContain('registered')
    const [stays, warned] = await run('development', env, /OR3_CLOUD_BIN[^]*registered|registered[^]*OR3_CLOUD_BIN/)
    expect([stays, warned]).toEqual(['stays', expect.stringContaining('there is no such file')])
  })

  test('a first start that fails ends a host, and leaves another one running', async () => {
    const program = join(folder(), 'or3-cloud')
    writeFileSync(program, '#!/bin/sh\necho the directory is locked >&2\nexit 1\n')
    chmodSync(program, 0o755)
    const [code, said] = await run('production', { OR3_CLOUD_BIN: program }, /./)
    expect([code, said]).toEqual([1, expect.stringMatching(/registered[^]*the directory is locked/)])
    const [stays] = await run('development', { OR3_CLOUD_BIN: program }, /ended with 1/)
    expect(stays).toBe('stays')
  })
})
