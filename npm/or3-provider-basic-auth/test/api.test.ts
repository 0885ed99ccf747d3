import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApi } from '../src/runtime/account/api/api'
import { Or3Error, or3ErrorCodes } from '../src/runtime/account/api/error'
import { createRequest } from '../src/runtime/account/api/request'
import { english } from '../src/runtime/account/messages/en'
import { errorText } from '../src/runtime/account/messages/errors'
import { textOf } from '../src/runtime/account/messages/text'
import { TestServer, never, refusal } from './server'

const answer = (status: number, body: string, headers: Record<string, string> = {}) => createRequest({ fetch: async () => new Response(body, { status, headers }) })

describe('a request', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it('turns every refusal into a code, and keeps what came with it', async () => {
    const request = answer(400, JSON.stringify({ statusCode: 400, data: { code: 'password_too_short', field: 'password', min: 12 } }))
    await expect(request('POST', '/x')).rejects.toMatchObject({ code: 'password_too_short', status: 400, details: { field: 'password', min: 12 } })
  })

  it('reads the wait of a limit', async () => {
    await expect(answer(429, '{}', { 'Retry-After': '42' })('POST', '/x')).rejects.toMatchObject({ code: 'rate_limited', retryAfter: 42 })
  })

  it.each([
    [400, 'invalid_request'], [401, 'session_expired'], [403, 'unexpected'], [404, 'not_found'], [418, 'unexpected'], [429, 'rate_limited'],
    [500, 'unavailable'], [501, 'unavailable'], [502, 'unavailable'], [503, 'unavailable'],
  ])('knows status %i without a code as %s', async (status, code) => {
    await expect(answer(status, '{"message":"x"}')('GET', '/x')).rejects.toMatchObject({ code, status })
  })

  it('does not believe a code that it does not know', async () => {
    await expect(answer(503, '{"data":{"code":"constructor"}}')('GET', '/x')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it.each(['null', '7', '[]', '{"data":null}', '{"data":"text"}'])('survives the odd body %s', async (body) => {
    await expect(answer(500, body)('GET', '/x')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('treats a page that is not JSON as a fault on the way, whatever its status', async () => {
    await expect(answer(200, '<html>')('GET', '/x')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(answer(502, '<html>')('GET', '/x')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('ends after its time', async () => {
    const server = new TestServer().on('/slow', never)
    const asked = createRequest({ fetch: server.fetch, timeoutMs: 500 })('GET', '/slow')
    const failed = expect(asked).rejects.toMatchObject({ code: 'timeout' })
    await vi.advanceTimersByTimeAsync(499)
    await vi.advanceTimersByTimeAsync(1)
    await failed
  })

  it('ends when it is not wanted any more, before and during', async () => {
    const server = new TestServer().on('/slow', never)
    const request = createRequest({ fetch: server.fetch })
    const abort = new AbortController()
    const failed = expect(request('GET', '/slow', { signal: abort.signal })).rejects.toMatchObject({ code: 'cancelled' })
    abort.abort()
    await failed
    expect(vi.getTimerCount()).toBe(0)
  })

  it('says offline when there is no network', async () => {
    const request = createRequest({ fetch: async () => {
      throw new TypeError('Failed to fetch')
    } })
    await expect(request('GET', '/x')).rejects.toMatchObject({ code: 'offline', status: 0 })
  })

  it('puts nothing that was sent into its error', async () => {
    const error: unknown = await answer(401, '{"data":{"code":"invalid_credentials"}}')('POST', '/x', { body: { password: 'hunter2' } }).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(Or3Error)
    expect(JSON.stringify(error) + String(error)).not.toContain('hunter2')
  })
})

describe('the endpoints', () => {
  it('understand a server that sends no codes', async () => {
    const server = new TestServer().on('sign-in', { status: 401, body: {} }).on('register', { status: 409, body: {} }, { status: 401, body: {} }, { status: 403, body: {} })
    const api = createApi({ fetch: server.fetch })
    await expect(api.signIn({ email: 'a', password: 'b' })).rejects.toMatchObject({ code: 'invalid_credentials' })
    const body = { email: 'a', password: 'b', confirmPassword: 'b' }
    await expect(api.register(body)).rejects.toMatchObject({ code: 'email_taken' })
    await expect(api.register(body)).rejects.toMatchObject({ code: 'email_taken' })
    await expect(api.register(body)).rejects.toMatchObject({ code: 'registration_disabled' })
  })

  it('offer only the basics on a server without account pages', async () => {
    expect(await createApi({ fetch: new TestServer().fetch }).config()).toMatchObject({ registration: 'open', mail: false })
  })

  it('do not take a fault for a server without account pages', async () => {
    await expect(createApi({ fetch: new TestServer().on('config', refusal(503, 'unavailable')).fetch }).config()).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('the words', () => {
  it('exist for every code', () => {
    for (const code of or3ErrorCodes) expect(errorText(textOf(english), new Or3Error(code))).toMatch(/\.$/)
  })

  it('count as people do', () => {
    const t = textOf(english)
    expect(t('error.rate_limited', { seconds: 1 })).toContain('Wait 1 second,')
    expect(t('error.rate_limited', { seconds: 119 })).toContain('119 seconds')
    expect(t('error.rate_limited', { seconds: 121 })).toContain('3 minutes')
    expect(t('recovery.left', { count: 1 })).toBe('1 code left.')
  })

  it('can be replaced one by one', () => {
    const t = textOf(english, { 'signIn.title': 'Anmelden', 'recovery.left': (p: { count: number }) => `Noch ${p.count}` })
    expect([t('signIn.title'), t('recovery.left', { count: 2 }), t('signIn.submit')]).toEqual(['Anmelden', 'Noch 2', 'Sign in'])
  })

  it('are asked for with their parameters', () => {
    const t = textOf(english)
    // @ts-expect-error -- a message with parameters needs them
    expect(() => t('recovery.left')).toThrow()
    // @ts-expect-error -- a key that is not there
    expect(() => t('no.such.key')).toThrow()
  })
})
