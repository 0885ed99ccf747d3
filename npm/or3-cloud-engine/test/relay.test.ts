import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { Client } from '../src/client.js'
import type { Engine } from '../src/engine.js'
import type { Hello } from '../src/methods.js'
import { browserRequest, relay, type RelayOptions } from '../src/relay.js'
import { Transport } from '../src/transport.js'
import { until } from './folders.js'
import { alive, folder, hostOf, signIn, start, userAndWorkspace, type Host } from './rig.js'

test('answers come back with all their cookies, beside the host\'s own', async () => {
  const { engine } = start()
  const host = await hostOf(engine)
  const answer = await fetch(`${host.url}/api/basic-auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'origin': host.url },
    body: '{"email":"ann@example.test","password":"Correct-Horse-9-Battery"}',
  })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-from-host')).toBe('yes')
  expect(answer.headers.getSetCookie()[0]).toBe('host=1')
  expect(answer.headers.getSetCookie().length).toBeGreaterThan(2)
  const refused = await fetch(`${host.url}/api/basic-auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'origin': host.url },
    body: '{"email":"ann@example.test","password":"wrong"}',
  })
  expect(refused.status).toBe(401)
  expect(await refused.json()).toMatchObject({ statusCode: 401 })
  const foreign = await fetch(`${host.url}/api/basic-auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'origin': 'https://evil.example' },
    body: '{}',
  })
  expect(foreign.status).toBe(403)
})

interface Presigned {
  url: string
  hash: string
}

async function presign(host: Host, engine: Engine, content: Buffer): Promise<Presigned> {
  const { userId, workspaceId } = await userAndWorkspace(engine)
  host.caller = { ...host.caller, user: { id: userId } }
  const hash = `sha256:${createHash('sha256').update(content).digest('hex')}`
  const { url } = await engine.call(
    'storage/presign-upload',
    { workspaceId, hash, mimeType: 'application/pdf', sizeBytes: content.length },
    { user: { id: userId } },
  )
  return { url, hash }
}

test('a large file goes up and comes down', async () => {
  const { engine } = start({ env: { OR3_STORAGE_ALLOWED_MIME_TYPES: 'application/pdf' } })
  const host = await hostOf(engine)
  const content = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(48 << 20)])
  const { url, hash } = await presign(host, engine, content)
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < content.length; at += 1 << 16) yield content.subarray(at, at + (1 << 16))
  }
  const put = await fetch(host.url + url, {
    method: 'PUT',
    headers: { 'content-type': 'application/pdf', 'origin': host.url },
    body: Readable.toWeb(Readable.from(pieces())) as ReadableStream,
    duplex: 'half',
  } as RequestInit)
  expect([put.status, await put.text()]).toEqual([200, expect.any(String)])

  const { userId, workspaceId } = await userAndWorkspace(engine)
  await engine.call(
    'storage/commit',
    {
      workspace_id: workspaceId,
      hash,
      storage_id: `${workspaceId}:${hash}`,
      storage_provider_id: 'fs',
      mime_type: 'application/pdf',
      size_bytes: content.length,
      name: 'a.pdf',
      kind: 'pdf',
    },
    { user: { id: userId } },
  )
  const down = await engine.call('storage/presign-download', { workspaceId, hash }, { user: { id: userId } })
  const got = await fetch(host.url + down.url)
  expect(got.status).toBe(200)
  const digest = createHash('sha256')
  if (!got.body) throw new Error('no body')
  for await (const piece of got.body) digest.update(piece)
  expect(`sha256:${digest.digest('hex')}`).toBe(hash)
  const part = await fetch(host.url + down.url, { headers: { range: 'bytes=0-7' } })
  expect([part.status, await part.text()]).toEqual([206, '%PDF-1.7'])
})

test('nothing is held on the way: each piece is there before the next is sent', async () => {
  const path = join(folder(), 's')
  let upstream: http.IncomingMessage | undefined
  let answer: http.ServerResponse | undefined
  const heard: string[] = []
  const engine = http.createServer((request, response) => {
    upstream = request.on('data', (piece: Buffer) => heard.push(piece.toString()))
    answer = response
  })
  await new Promise<void>(resolve => engine.listen(path, resolve))
  onTestFinished(() => {
    engine.closeAllConnections()
    engine.close()
  })
  const transport = new Transport({ socketPath: path })
  const client = new Client({ ready: async () => ({ transport, hello: {} as Hello }) })
  const host = await hostOf({
    relay: (...args: [http.IncomingMessage, http.ServerResponse, RelayOptions]) => relay(client, ...args),
  } as Engine)
  const request = http.request(`${host.url}/api/x?y=1`, {
    method: 'PUT',
    headers: {
      'x-mine': '1',
      'connection': 'x-mine',
      'expect': '100-continue',
      'authorization': 'Bearer browser',
      'cookie': 'a=b',
    },
  })
  const answered = new Promise<http.IncomingMessage>(resolve => request.once('response', resolve))
  for (const piece of ['one', 'two']) {
    request.write(piece)
    await until(() => heard.at(-1) === piece)
  }
  expect(upstream?.url).toBe('/api/x?y=1')
  expect(upstream?.headers).toMatchObject({ cookie: 'a=b', authorization: 'Bearer browser' })
  for (const name of ['x-mine', 'expect']) expect(upstream?.headers).not.toHaveProperty(name)
  const got: string[] = []
  answer?.writeHead(418, 'Teapot', { 'set-cookie': ['c=1', 'd=2'], 'content-type': 'text/plain' }) // before the request has ended
  answer?.write('three')
  const back = (await answered).on('data', (piece: Buffer) => got.push(piece.toString()))
  await until(() => got.at(-1) === 'three')
  answer?.write('four')
  await until(() => got.at(-1) === 'four')
  expect([back.statusCode, back.headers['set-cookie']]).toEqual([418, ['host=1', 'c=1', 'd=2']])
  const broken = new Promise(resolve => back.once('error', resolve))
  answer?.destroy()
  await broken // half an answer does not look like a whole one
})

test('a browser cannot say who it is', async () => {
  const { engine } = start()
  const host = await hostOf(engine)
  const { url } = await presign(host, engine, Buffer.from('%PDF-1.7'))
  const forged = encodeURIComponent(JSON.stringify({ user: host.caller.user }))
  host.caller = { clientIp: '203.0.113.7', host: new URL(host.url).host }
  const answer = await fetch(host.url + url, {
    method: 'PUT',
    headers: { 'content-type': 'application/pdf', 'origin': host.url, 'or3-engine-caller': forged },
    body: '%PDF-1.7',
  })
  expect(answer.status).toBe(401)
  expect(
    browserRequest({
      headers: {
        'or3-engine-caller': forged,
        'cookie': 'a=b',
        'connection': 'x-mine, close',
        'x-mine': '1',
        'te': 'x',
      },
      method: 'GET',
      url: '/x?y',
    } as unknown as http.IncomingMessage),
  ).toEqual({ method: 'GET', url: '/x?y', headers: { cookie: 'a=b' } })
})

test('a browser that leaves ends its request at the engine, and nothing else', async () => {
  const { engine } = start()
  const host = await hostOf(engine)
  const { url } = await presign(host, engine, Buffer.alloc(1 << 20))
  const { port, hostname } = new URL(host.url)
  const socket = connect(Number(port), hostname)
  socket.write(
    `PUT ${url} HTTP/1.1\r\nhost: x\r\norigin: ${host.url}\r\ncontent-type: application/pdf\r\ncontent-length: `
    + `${1 << 20}\r\n\r\n%PDF-1.7`,
  )
  await new Promise(resolve => setImmediate(resolve))
  socket.destroy()
  expect((await engine.hello()).state).toBe('ready')
  expect((await fetch(`${host.url}/api/basic-auth/none`)).status).toBe(404)
})

test('an engine that is killed in the course of an upload is a 503 with Retry-After, and comes back', async () => {
  const { engine } = start()
  const host = await hostOf(engine)
  const { url } = await presign(host, engine, Buffer.alloc(1 << 20))
  const { pid } = await engine.hello()
  const { port, hostname } = new URL(host.url)
  const request = http.request({
    host: hostname,
    port,
    method: 'PUT',
    path: url,
    headers: { 'content-type': 'application/pdf', 'content-length': 1 << 20, 'origin': host.url },
  })
  const answered = new Promise<http.IncomingMessage>((resolve, reject) =>
    request.once('response', resolve).once('error', reject),
  )
  request.write('%PDF-1.7')
  await new Promise(resolve => request.once('socket', socket => socket.once('connect', resolve)))
  process.kill(pid, 'SIGKILL')
  await until(() => !alive(pid))
  const answer = await answered
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
  request.destroy()
  await until(async () => (await engine.hello()).pid !== pid)
  expect((await fetch(`${host.url}/api/basic-auth/none`)).status).toBe(404)
  expect(await signIn(host)).toMatch(/=/)
})
