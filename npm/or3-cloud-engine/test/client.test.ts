import { randomUUID } from 'node:crypto'
import http from 'node:http'
import { join } from 'node:path'
import { createError } from 'h3'
import { describe, expect, expectTypeOf, inject, onTestFinished, test } from 'vitest'
import { Client, encodeCaller, greet } from '../src/client.js'
import { EngineError, faultOf, unavailable } from '../src/errors.js'
import { readEvents, type ServerEvent } from '../src/events.js'
import type { Hello, In, Method, Out, Schemas, StreamName } from '../src/methods.js'
import { readPlaceFile, placeOfURL, type Place } from '../src/place.js'
import { Transport } from '../src/transport.js'
import { until } from './folders.js'
import { folder, start, userAndWorkspace } from './rig.js'

async function failure(asked: Promise<unknown>): Promise<EngineError> {
  const error = await asked.then(
    () => undefined,
    (e: unknown) => e,
  )
  if (!(error instanceof EngineError)) throw new Error(`no fault: ${String(error)}`)
  return error
}

function put(n: number, payload: object = {}): In<'sync/push'>['ops'][number] {
  return {
    tableName: 'kv',
    operation: 'put',
    pk: `k${n}`,
    payload: { id: `k${n}`, name: `n${n}`, value: 'v', created_at: 1, updated_at: 1, clock: 1, ...payload },
    stamp: { deviceId: '1a2b3c4d', opId: randomUUID(), hlc: 'h', clock: 1 },
  }
}

describe('with the real engine', () => {
  test('calls, answers and faults are those of the contracts', async () => {
    const { engine } = start()
    const { userId, workspaceId } = await userAndWorkspace(engine)
    const caller = { user: { id: userId } }
    const scope = { workspaceId }
    const text = 'cut \ud83d here, "quoted", é'
    const pushed = await engine.call('sync/push', { scope, ops: [put(1, { value: text })] }, caller)
    expect(pushed.results).toMatchObject([{ success: true, applied: true }])
    const pulled = await engine.call('sync/pull', { scope, cursor: 0, limit: 100 }, caller)
    expect(pulled.changes.find(change => change.pk === 'k1')?.payload).toMatchObject({ value: text })

    expect(
      await failure(engine.call('sync/pull', { scope: { workspaceId: 'w-of-others' }, cursor: 0, limit: 1 }, caller)),
    ).toMatchObject({ code: 'forbidden', status: 403 })
    expect(
      await failure(engine.call('sync/pull', { scope: { workspaceId: ' ' }, cursor: 0, limit: 1 }, caller)),
    ).toMatchObject({ status: 400 })
    const missing = await failure(engine.call('workspaces/get-workspace-role', { userId, workspaceId: '' }, undefined))
    expect(missing).toMatchObject({ code: 'invalid', status: 400, statusCode: 400, retryAfter: undefined })
    expect(missing.statusMessage).toBe(missing.message)
  })

  test('live events tell each new version, and end with the signal', async () => {
    const { engine } = start()
    const { userId, workspaceId } = await userAndWorkspace(engine)
    const caller = { user: { id: userId } }
    const stop = new AbortController()
    const versions: number[] = []
    const reading = (async () => {
      for await (const { name, data } of engine.events('sync/events', {
        caller,
        query: { workspaceId },
        signal: stop.signal,
      })) {
        expect(name).toBe('version')
        versions.push((JSON.parse(data) as Schemas['VersionEvent']).serverVersion)
      }
    })()
    await until(() => versions.length > 0)
    const before = versions.length
    await engine.call('sync/push', { scope: { workspaceId }, ops: [put(1)] }, caller)
    await until(() => versions.length > before)
    expect(versions.at(-1)).toBeGreaterThan(versions[0] ?? 0)
    stop.abort()
    await reading
    expect(
      await failure(engine.events('sync/events', { caller, query: { workspaceId: 'w-of-others' } }).next()),
    ).toMatchObject({ status: 403 })
  })

  test('on a loopback address the secret of engine.json is shown, and nothing is answered without it', async () => {
    const { spawn } = await import('node:child_process')
    const dataDir = folder()
    const child = spawn(inject('program'), ['engine', '--attached', '--loopback', '--data', dataDir], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    onTestFinished(
      () =>
        new Promise<void>((resolve) => {
          child.once('exit', () => resolve())
          child.stdin.end()
        }),
    )
    await new Promise(resolve => child.stdout.once('data', resolve))
    const place = readPlaceFile(join(dataDir, 'engine.json'))
    if (!place || !('secret' in place)) throw new Error('no loopback address')
    expect(await greet(new Transport(place), 'test/1')).toMatchObject({ state: 'ready' })
    expect(await failure(greet(new Transport({ ...place, secret: 'wrong' }), 'test/1'))).toMatchObject({
      code: 'unauthenticated',
      status: 401,
    })

    const { engine } = start({ env: { OR3_CLOUD_URL: `file://${join(dataDir, 'engine.json')}` } })
    expect((await engine.hello()).providers).toEqual({ auth: 'basic-auth', sync: 'sqlite', storage: 'fs' })
  })

  test('a call can be given up', async () => {
    const { engine } = start()
    const stop = new AbortController()
    const asked = engine.call('auth/setup', {}, undefined, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
  })
})

/** Something that listens and is not an engine, or one that dies at a bad moment. */
async function impostor(answer: http.RequestListener): Promise<{ client: Client, place: Place }> {
  const path = join(folder(), 's')
  const server = http.createServer(answer)
  await new Promise<void>(resolve => server.listen(path, resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const place = { socketPath: path }
  const transport = new Transport(place)
  return { place, client: new Client({ ready: async () => ({ transport, hello: {} as Hello }) }, { patience: 50 }) }
}

describe('an engine that fails', () => {
  test.each<[string, http.RequestListener]>([
    ['a broken connection', request => request.socket.destroy()],
    [
      'half an answer',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('{"session":')
        setImmediate(() => response.destroy())
      },
    ],
    ['an answer that is not JSON', (_, response) => void response.end('<html>')],
    ['a 404 of something else', (_, response) => void response.writeHead(404).end('not found')],
    ['a 401 of something else', (_, response) => void response.writeHead(401).end('{"message":"who are you?"}')],
    ['a redirect', (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    [
      'a fault whose status is another',
      (_, response) =>
        void response.writeHead(502).end('{"code":"unauthenticated","message":"Unauthorized","status":401}'),
    ],
  ])('%s is a 503, never "signed out"', async (_, answer) => {
    const { client } = await impostor(answer)
    const request = { url: '/', headers: { cookie: 'a=b' } }
    expect(await failure(client.call('auth/session', { request }, {}))).toMatchObject({
      code: 'unavailable',
      status: 503,
      retryAfter: 1,
    })
  })

  test('a stream that breaks is a 503, and one that ends is over', async () => {
    const { client } = await impostor((request, response) => {
      if (request.url?.includes('revocations')) return void request.socket.destroy()
      response.writeHead(200).write('event: state\ndata: {}\n\n')
      if (request.url?.endsWith('stay')) response.end()
      else setImmediate(() => response.destroy())
    })
    expect(await failure(client.events('auth/revocations', { caller: undefined }).next())).toMatchObject({
      status: 503,
    })
    const stay = client.events('stay', { caller: undefined })
    expect([await stay.next(), await stay.next()]).toMatchObject([
      { value: { name: 'state', data: '{}' } },
      { done: true },
    ])
    const events = client.events('sync/events', { caller: { user: { id: 'u' } }, query: { workspaceId: 'w' } })
    expect(
      await failure(
        (async () => {
          for (;;) if ((await events.next()).done) return
        })(),
      ),
    ).toMatchObject({ status: 503 })
  })

  test('no one who listens is a 503 after the patience', async () => {
    const transport = new Transport({ socketPath: join(folder(), 'none') })
    const client = new Client({ ready: async () => ({ transport, hello: {} as Hello }) }, { patience: 10 })
    expect(await failure(client.call('auth/setup', {}, undefined))).toMatchObject({ code: 'unavailable', status: 503 })
  })

  test('a 503 keeps its code, words and Retry-After', async () => {
    const { client } = await impostor(
      (_, response) =>
        void response
          .writeHead(503, { 'retry-after': '7' })
          .end('{"code":"unavailable","message":"Starting","status":503,"retryAfter":7}'),
    )
    expect(await failure(client.call('auth/setup', {}, undefined))).toMatchObject({
      status: 503,
      message: 'Starting',
      retryAfter: 7,
    })
  })

  test('an engine of another protocol is refused with both versions', async () => {
    const { place } = await impostor(
      (_, response) =>
        void response.end(
          JSON.stringify({
            protocol: { oldest: 7, current: 9 },
            version: '9.0.0',
            state: 'ready',
            methods: [],
            routes: [],
            pid: 1,
          }),
        ),
    )
    const error = await failure(greet(new Transport(place), 'or3-provider-test/0.1.0'))
    expect(error).toMatchObject({
      code: 'conflict',
      message:
        'or3-cloud 9.0.0 speaks versions 7 to 9 of the engine protocol, and or3-provider-test/0.1.0 speaks version 1',
    })
  })
})

test('faults are read as they were, and nothing else is taken for one', () => {
  const fault = { code: 'conflict' as const, message: 'no', status: 409, data: { reason: 'x' } }
  expect(faultOf(409, JSON.stringify(fault))).toMatchObject(fault)
  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"code":1,"message":"m","status":409}',
    '{"code":"conflict","message":"m","status":409,"retryAfter":"x"}',
    '{"code":"gone","message":"m","status":200}',
  ]) {
    expect(faultOf(text.includes('200') ? 200 : 409, text)).toMatchObject({ code: 'unavailable', status: 503 })
  }
  expect(unavailable('x').cause).toBe('x')
})

test('the host\'s createError keeps a fault', () => {
  const fault = createError(
    new EngineError({ code: 'rate_limited', status: 429, message: 'Too many', retryAfter: 3, data: { limit: 1 } }),
  )
  expect(fault).toMatchObject({
    statusCode: 429,
    statusMessage: 'Too many',
    message: 'Too many',
    data: { limit: 1 },
    unhandled: false,
  })
})

test('a caller is one header of plain characters, whatever is in it', () => {
  const caller = { host: 'bücher.example', user: { id: 'a"%\r\nx: y' } }
  const text = encodeCaller(caller)
  expect(text).toMatch(/^[\w.!~*'()%-]+$/)
  expect(JSON.parse(decodeURIComponent(text))).toEqual(caller)
  expect(encodeCaller(undefined)).toBe('%7B%7D')
})

test('events are read in any pieces', async () => {
  const text
    = ': ping\n\nevent: revoked\ndata: {"userId":"é😀"}\n\ndata:plain\n\nevent: none\n\nid: 3\r\nevent: two\r\ndata: a\r\ndata: b\r\n\r\ndata: cut off'
  const bytes = Buffer.from(text)
  for (let size = 1; size <= bytes.length; size++) {
    const events: ServerEvent[] = []
    async function* pieces(): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    for await (const event of readEvents(pieces())) events.push(event)
    expect(events).toEqual([
      { name: 'revoked', data: '{"userId":"é😀"}' },
      { name: 'message', data: 'plain' },
      { name: 'two', data: 'a\nb' },
    ])
  }
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) yield Buffer.alloc(1 << 16, 'x')
  }
  await expect(readEvents(endless()).next()).rejects.toThrow('too long')
})

test('where an engine is can be told in two ways, and what is wrong is said', () => {
  expect(placeOfURL('unix:/data/engine.sock')()).toEqual({ socketPath: '/data/engine.sock' })
  expect(placeOfURL('unix:///data/engine.sock')()).toEqual({ socketPath: '/data/engine.sock' })
  expect(placeOfURL('file:///nowhere/engine.json')()).toBeUndefined()
  const long = `/data/${'long/'.repeat(20)}engine.sock`
  for (const [url, says] of [
    ['unix:relative', 'does not name an absolute path'],
    [`unix:${long}`, `has ${long.length} bytes`],
    ['http://127.0.0.1:1', 'must be unix:/DATA/engine.sock'],
    ['file://host/x', 'not the path of a file'],
    ['', 'must be unix:'],
  ] as const) {
    expect(() => placeOfURL(url), url).toThrow(says)
  }
})

test('types know what a method takes, answers and needs', () => {
  expectTypeOf<'sync/push'>().toExtend<Method>()
  expectTypeOf<StreamName>().toEqualTypeOf<'auth/revocations' | 'sync/events' | 'stay'>()
  expectTypeOf<Out<'auth/check-session'>>().toEqualTypeOf<{ live: boolean }>()
  expectTypeOf<Parameters<typeof Client.prototype.call<'sync/push'>>[2]>().toExtend<{ user: { id: string } }>()
})
