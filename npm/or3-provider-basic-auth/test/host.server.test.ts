import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { endpoints } from '../src/endpoints'
import { cloud } from '../src/runtime/server/cloud'
import { addressOf, announceSetup } from '../src/runtime/server/setup'
import { config, form, registered, revoked } from './nuxt'
import { until } from '../../or3-cloud-engine/test/folders'
import { cookiesOf, email, password, selected, startHost } from './rig'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

describe('the plugin', () => {
  it('registers everything at once, and starts the engine', async () => {
    await startHost()
    expect(registered).toEqual({
      providers: new Map([['basic-auth', expect.any(Function)]]),
      brokers: new Map([['basic-auth', expect.any(Function)]]),
      admins: new Map([['auth:basic-auth', expect.objectContaining({ id: 'basic-auth', kind: 'auth' })]]),
    })
    expect(cloud.packageText).toContain(`or3-provider-basic-auth ${version} `)
    expect((await cloud.engine.started()).providers.auth).toBe('basic-auth')
    const broker = registered.brokers.get('basic-auth')!()
    expect(await broker.getProviderToken({} as never, { providerId: 'openrouter' })).toBeNull()
  })

  it.each([
    { auth: { enabled: true, provider: 'clerk' } },
    { auth: { enabled: false, provider: 'basic-auth' } },
    {},
  ])('registers, starts and says nothing for %j, and answers 503', async (runtime) => {
    const said = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
    const host = await startHost({ runtime: { ...runtime, app: { baseURL: '/' } } })
    expect(Object.values(registered).map(({ size }) => size)).toEqual([0, 0, 0])
    expect(cloud.running).toBe(false)
    for (const spy of said) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
    for (const path of ['sign-in', 'sign-out']) {
      const answer = await host.post(path, {})
      expect([answer.status, await answer.json()]).toMatchObject([503, { statusMessage: 'Authentication provider is not configured' }])
    }
  })

  it('prints the link for the first account once there is an engine, and none when there is an account', async () => {
    await startHost({ env: {} })
    const printed: string[] = []
    await announceSetup(cloud, 'https://chat.example/', text => printed.push(text))
    expect(printed).toEqual([expect.stringMatching(/Create the first one here, once:\n\n {4}https:\/\/chat\.example\/#setup=[\w.-]+\n/)])
    await cloud.engine.call('auth/setup', {}, undefined) // still there
  })

  it('prints no link when there is an account', async () => {
    await startHost()
    const print = vi.fn()
    await announceSetup(cloud, 'https://chat.example/', print)
    expect(print).not.toHaveBeenCalled()
  })
})

describe('the address that a link is printed for', () => {
  it.each([
    [{ OR3_PUBLIC_URL: 'https://chat.example/' }, '/', 'https://chat.example/'],
    [{ OR3_PUBLIC_URL: 'https://chat.example', PORT: '80' }, '/chat/', 'https://chat.example/chat/'],
    [{ PORT: '8080' }, undefined, 'http://localhost:8080/'],
    [{ PORT: '8080', NITRO_PORT: '8443', NITRO_SSL_CERT: '---' }, '/', 'https://localhost:8443/'],
    [{}, '/', 'http://localhost:3000/'],
  ])('%j below %s is %s', (env, base, address) => expect(addressOf(env, base)).toBe(address))
})

describe('the endpoints', () => {
  it('are those of the engine, and no others', async () => {
    await startHost()
    const offered = (await cloud.engine.hello()).routes.filter(({ provider }) => provider === 'basic-auth')
    const names = (list: { method: string, path: string }[]) => list.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort()
    expect(names(endpoints.map(({ method, route }) => ({ method, path: route })))).toEqual(names(offered))
  })

  it('sign in, say who is here, show the account, refresh and sign out', async () => {
    const host = await startHost()
    const signedIn = await host.post('sign-in', { email, password })
    expect([signedIn.status, await signedIn.json(), signedIn.headers.get('cache-control')]).toEqual([200, { ok: true }, 'no-store'])
    expect(signedIn.headers.get('x-ratelimit-limit')).toBe('20')
    for (const set of signedIn.headers.getSetCookie()) expect(set).toMatch(/HttpOnly; SameSite=Lax/)
    const cookie = cookiesOf(signedIn)
    const { session } = await (await host.get('auth/session', { cookie })).json() as { session: { user: { id: string } } }
    expect(session).toMatchObject({ provider: 'basic-auth', user: { email } })
    expect(await (await host.get('caller', { cookie })).json()).toMatchObject({
      clientIp: '127.0.0.1', user: { providerUserId: session.user.id, sessionId: expect.stringMatching(/./) },
    })
    for (const path of ['account', 'sessions', 'events', 'deletion', 'config']) {
      expect((await host.get(`basic-auth/${path}`, { cookie })).status, path).toBe(200)
    }
    const refreshed = await host.post('refresh', undefined, { cookie })
    expect([refreshed.status, await refreshed.json()]).toEqual([200, { ok: true }])
    const renewed = cookiesOf(refreshed)
    const out = await host.post('sign-out', undefined, { cookie: renewed })
    expect([out.status, await out.json()]).toEqual([200, { ok: true }])
    expect(out.headers.getSetCookie().filter(set => /^or3_(access|refresh)=;/.test(set)).length).toBeGreaterThanOrEqual(2)
    expect(revoked).toEqual([{ userId: session.user.id, reason: 'logout' }])
    for (const gone of [cookie, renewed, '']) {
      expect(await (await host.get('auth/session', { cookie: gone })).json()).toEqual({ session: null })
    }
  })

  it('renew an expired session in the course of another request, and append the cookies', async () => {
    const host = await startHost()
    const refresh = (await host.signIn()).split('; ').filter(one => one.startsWith('or3_refresh')).join('; ')
    const answers = await Promise.all([1, 2, 3].map(() => host.get('auth/session', { cookie: refresh })))
    for (const answer of answers) {
      expect(await answer.json()).toMatchObject({ session: { user: { email } } })
      expect(cookiesOf(answer)).toMatch(/or3_access=.+or3_refresh=/)
    }
  })

  it('refuse what is wrong, and touch nothing', async () => {
    const host = await startHost()
    const cookie = await host.signIn()
    const wrong = await host.post('sign-in', { email, password: 'wrong' })
    expect([wrong.status, await wrong.json()]).toMatchObject([401, { statusCode: 401, message: 'Invalid credentials' }])
    for (const body of [{}, { email: 'x', password }, { email, password: 7 }]) {
      expect((await host.post('sign-in', body)).status).toBe(400)
    }
    const text = await fetch(`${host.url}/api/basic-auth/sign-in`, {
      method: 'POST', headers: { 'origin': host.url, 'content-type': 'application/json' }, body: '{"email":',
    })
    expect(text.status).toBe(400)
    expect((await host.get('basic-auth/account')).status).toBe(401)
    const foreign = { origin: 'https://evil.example', cookie }
    for (const path of ['sign-in', 'sign-out', 'refresh', 'register', 'delete-account']) {
      const answer = await host.post(path, {}, foreign)
      expect([path, answer.status, answer.headers.getSetCookie()]).toEqual([path, 403, []])
    }
    expect(revoked).toEqual([])
    expect(await (await host.get('auth/session', { cookie })).json()).toMatchObject({ session: { user: { email } } })
  })

  it('believe the host that the browser has asked, and the address that a believed proxy tells', async () => {
    const host = await startHost({ runtime: { ...selected, security: { proxy: { trustProxy: true } } } })
    const from = (ip: string, origin: string) =>
      host.post('sign-in', { email, password: 'wrong' }, { origin, 'x-forwarded-for': ip, 'x-forwarded-host': 'chat.example' })
    expect((await from('203.0.113.1', host.url)).status).toBe(403)
    const left = async (ip: string) => (await from(ip, 'https://chat.example')).headers.get('x-ratelimit-remaining')
    expect([await left('203.0.113.1'), await left('203.0.113.1'), await left('203.0.113.2')]).toEqual(['19', '18', '19'])
  })
})

describe.each([true, false])('without an engine, on a host that takes faults for "signed out": %s,', (swallows) => {
  it('everything is 503 with Retry-After, and no one is signed out', async () => {
    form.swallows = swallows
    const host = await startHost()
    const cookie = await host.signIn()
    await host.close()
    for (const { method, route } of endpoints) {
      const answer = await fetch(host.url + route, { method, headers: { cookie, origin: host.url } })
      expect([route, answer.status, answer.headers.get('retry-after'), answer.headers.getSetCookie()]).toEqual([route, 503, '1', []])
    }
    const session = await host.get('auth/session', { cookie })
    expect([session.status, session.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await session.json()).toMatchObject({ statusMessage: 'The cloud is temporarily unavailable' })
    expect(revoked).toEqual([])
  })

  it('which is killed under load, answers are right or 503, and the session outlives it', async () => {
    form.swallows = swallows
    const host = await startHost()
    const cookie = await host.signIn()
    let asking = true
    const asked = Array.from({ length: 8 }, async (_, n) => {
      const statuses = new Set<number>()
      while (asking) {
        const answer = await host.get(n % 2 ? 'auth/session' : 'basic-auth/account', { cookie })
        statuses.add(answer.status)
        if (answer.status === 200) expect(await answer.text()).toContain(email)
        else expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
      }
      return [...statuses]
    })
    for (let kill = 0; kill < 2; kill++) {
      const { pid } = await cloud.engine.hello()
      process.kill(pid, 'SIGKILL')
      await until(async () => (await cloud.engine.hello().catch(() => ({ pid }))).pid !== pid)
    }
    asking = false
    for (const status of (await Promise.all(asked)).flat()) expect([200, 503]).toContain(status)
    expect(await (await host.get('auth/session', { cookie })).json()).toMatchObject({ session: { user: { email } } })
  })
})

describe('administrators', () => {
  it('see what is configured and what runs, and that no mail can be tried again without a mail server', async () => {
    const host = await startHost()
    expect(await (await host.get('status')).json()).toMatchObject({
      details: { bootstrapConfigured: true, accessTtlSeconds: 900, package: cloud.packageText, engine: expect.stringMatching(/^or3-cloud /) },
      actions: [],
    })
    const unknown = await fetch(`${host.url}/api/action`, { method: 'POST' })
    expect([unknown.status, await unknown.json()]).toMatchObject([400, { statusMessage: 'Unknown action' }])
    await host.close()
    expect(await (await host.get('status')).json()).toMatchObject({ warnings: [{ level: 'error' }], actions: [] })
    expect((await fetch(`${host.url}/api/action`, { method: 'POST' })).status).toBe(503)
  })

  it('have the engine keep to what the host was built with', async () => {
    const host = await startHost({ runtime: { ...selected, auth: { ...selected.auth, registrationMode: 'disabled' } } })
    expect(config.auth).toMatchObject({ registrationMode: 'disabled' })
    const answer = await host.post('register', { email: 'bob@example.test', password, confirmPassword: password })
    expect([answer.status, await answer.json()]).toMatchObject([403, { message: 'Registration is currently disabled. Please contact an administrator.' }])
  })
})
