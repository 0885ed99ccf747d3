import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, vi } from 'vitest'
import { cloud } from '../src/runtime/server/cloud'
import { registered, sessions } from './nuxt'
import { until } from '../../or3-cloud-engine/test/folders'
import { adminOf, hashOf, selected, sessionOf, startHost, type TestHost } from './rig'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

const pdf = (text = 'x') => Buffer.from(`%PDF-1.7\n${text}`)

interface File { workspaceId: string, hash: string, content: Buffer, url: string }

/** presigned is a file that may be uploaded. */
async function presigned(host: TestHost, browser: string, workspaceId: string, content = pdf()): Promise<File> {
  const hash = hashOf(content)
  const { url } = await host.presign(browser, 'presignUpload', { workspaceId, hash, mimeType: 'application/pdf', sizeBytes: content.length })
  return { workspaceId, hash, content, url }
}

const commitOf = ({ workspaceId, hash, content }: File) => ({
  workspace_id: workspaceId, hash, storage_id: `${workspaceId}:${hash}`, storage_provider_id: 'fs', mime_type: 'application/pdf',
  size_bytes: content.length, name: 'a.pdf', kind: 'pdf',
})

describe('the plugin', () => {
  it('registers everything at once, and starts the engine', async () => {
    await startHost()
    expect([...registered.gateways.keys(), ...registered.admins.keys()]).toEqual(['fs', 'storage:fs'])
    expect(cloud.packageText).toContain(`or3-provider-fs ${version} `)
    const { providers, routes } = await cloud.engine.started()
    expect(providers.storage).toBe('fs')
    // All that a host has to pass on for us.
    expect(routes.filter(({ provider }) => provider === 'fs').map(({ method, path }) => `${method} ${path}`)).toEqual([
      'PUT /api/storage/fs/upload', 'GET /api/storage/fs/download', 'HEAD /api/storage/fs/download',
    ])
  })

  it.each([
    { ...selected, storage: { enabled: true, provider: 's3' } },
    { ...selected, storage: { enabled: false, provider: 'fs' } },
    { ...selected, auth: { enabled: false, provider: 'basic-auth' } },
  ])('registers, starts and says nothing for %j, and answers 404', async (runtime) => {
    const said = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
    const host = await startHost({ runtime })
    expect(Object.values(registered).map(({ size }) => size)).toEqual([0, 0])
    expect(cloud.running).toBe(false)
    for (const spy of said) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
    expect((await host.get('ann', '/api/storage/fs/download?token=x')).status).toBe(404)
    expect((await host.put('ann', '/api/storage/fs/upload?token=x', 'x')).status).toBe(404)
  })
})

describe('a file', () => {
  it('goes up, is committed, comes down in whole and in part, and is deleted', async () => {
    const host = await startHost()
    const { workspaceId } = await host.person('ann')
    const file = await presigned(host, 'ann', workspaceId)
    expect(file.url).toMatch(/^\/api\/storage\/fs\/upload\?token=/)
    const put = await host.put('ann', file.url, file.content)
    expect([put.status, await put.json()]).toEqual([200, { ok: true, storage_id: `${workspaceId}:${file.hash}` }])
    expect((await host.ask('ann', 'commit', commitOf(file))).status).toBe(200)
    const down = await host.presign('ann', 'presignDownload', {
      workspaceId, hash: file.hash, disposition: 'attachment', mimeType: 'application/octet-stream', filename: 'a b.pdf',
    })
    expect(down).toMatchObject({ method: 'GET', expiresAt: expect.any(Number), storageId: `${workspaceId}:${file.hash}` })
    const got = await host.get('ann', down.url)
    expect([got.status, got.headers.get('content-type'), got.headers.get('content-disposition')]).toEqual([
      200, 'application/octet-stream', expect.stringContaining('attachment'),
    ])
    expect(Buffer.from(await got.arrayBuffer())).toEqual(file.content)
    const head = await fetch(host.url + down.url, { method: 'HEAD', headers: { 'x-browser': 'ann' } })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(file.content.length)])
    const part = await host.get('ann', down.url, { range: 'bytes=0-3' })
    expect([part.status, await part.text()]).toEqual([206, '%PDF'])
    expect((await host.ask('ann', 'deleteObject', { workspaceId, hash: file.hash })).status).toBe(200)
    expect((await host.ask('ann', 'deleteObject', { workspaceId, hash: hashOf(pdf('never')) })).status).toBe(200)
    expect((await host.ask('ann', 'presignDownload', { workspaceId, hash: file.hash })).status).toBe(404)
    expect(await host.ask('ann', 'gc', { workspace_id: workspaceId, retention_seconds: 2_592_000, limit: 10 })).toMatchObject({
      status: 200, body: { deleted_count: 0 },
    })
  })

  it('has addresses below the base path of the host', async () => {
    const host = await startHost({ runtime: { ...selected, app: { baseURL: '/chat/' } } })
    const { workspaceId } = await host.person('ann')
    const { url, content } = await presigned(host, 'ann', workspaceId)
    expect(url).toMatch(/^\/chat\/api\/storage\/fs\/upload\?token=/)
    expect((await host.put('ann', url.replace('/chat', ''), content)).status).toBe(200)
  })

  it('is refused with what is wrong with it, and nothing of it stays', async () => {
    const host = await startHost()
    const { workspaceId } = await host.person('ann')
    const good = { workspaceId, hash: hashOf(pdf()), mimeType: 'application/pdf', sizeBytes: pdf().length }
    for (const bad of [{ hash: 'md5:x' }, { sizeBytes: -1 }, { sizeBytes: 1.5 }, { mimeType: ' ' }, { expiresInMs: 86_400_001 }, { disposition: 'x' }]) {
      expect([bad, (await host.ask('ann', 'presignUpload', { ...good, ...bad })).status]).toEqual([bad, 400])
    }
    expect((await host.ask('ann', 'presignDownload', { workspaceId, hash: 'sha256:x' })).status).toBe(400)
    expect((await host.ask('ann', 'presignDownload', { workspaceId, hash: hashOf(pdf('absent')) })).status).toBe(404)
    expect((await host.ask('ann', 'deleteObject', { workspaceId, hash: '../x' })).status).toBe(400)
    expect((await host.ask('ann', 'gc', { workspace_id: workspaceId, retention_seconds: -1 })).status).toBe(400)
    const file = await presigned(host, 'ann', workspaceId)
    expect(await host.ask('ann', 'commit', commitOf(file))).toMatchObject({ status: 404, body: { statusMessage: 'Uploaded file not found' } })
    expect((await host.ask('ann', 'commit', { ...commitOf(file), size_bytes: -1 })).status).toBe(400)
    for (const [body, headers, status] of [
      [pdf('longer than it should be'), {}, 413],
      [pdf('y'), {}, 400],
      [file.content, { 'content-type': 'image/png' }, 415],
      [file.content, { origin: 'https://evil.example' }, 403],
    ] as const) {
      expect((await host.put('ann', file.url, body, headers)).status).toBe(status)
    }
    expect((await host.ask('ann', 'commit', commitOf(file))).status).toBe(404)
    const path = '/api/storage/fs/upload'
    expect((await host.put('ann', path, 'x')).status).toBe(400)
    for (const token of ['', 'x', 'a.b.c', `a.${Buffer.from('{"workspace_id":7}').toString('base64url')}.c`]) {
      expect((await host.put('ann', `${path}?token=${token}`, 'x')).status).toBe(token ? 403 : 400)
    }
    const forged = file.url.replace(/.{43}$/, Buffer.alloc(32).toString('base64url'))
    expect((await host.put('ann', forged, file.content)).status).toBe(403)
    expect((await host.get('ann', file.url.replace('upload', 'download'))).status).toBe(403)
  })

  it('is for whom the host lets in, in the workspace of its address', async () => {
    const host = await startHost()
    const { workspaceId } = await host.person('ann')
    const bob = await host.person('bob')
    const file = await presigned(host, 'ann', workspaceId)
    const body = { workspaceId, hash: file.hash, mimeType: 'application/pdf', sizeBytes: file.content.length }
    for (const [browser, status] of [['no one', 401], ['bob', 403]] as const) {
      for (const method of ['presignUpload', 'presignDownload', 'deleteObject'] as const) {
        expect([method, (await host.ask(browser, method, body)).status]).toEqual([method, status])
      }
      expect((await host.ask(browser, 'commit', commitOf(file))).status).toBe(status)
      expect((await host.put(browser, file.url, file.content)).status).toBe(status)
    }
    // The host's word is not the last: Ann's address is hers, and she is the member.
    sessions.set('bob', { ...sessionOf('bob'), workspace: { id: workspaceId } })
    expect((await host.put('bob', file.url, file.content)).status).toBe(403)
    sessions.set('ann', { ...sessionOf('ann'), role: 'viewer' })
    expect((await host.put('ann', file.url, file.content)).status).toBe(403)
    sessions.set('ann', { ...sessionOf('ann'), role: 'owner', workspace: { id: bob.workspaceId } })
    expect((await host.put('ann', file.url, file.content)).status).toBe(403)
    sessions.set('ann', { ...sessionOf('ann'), workspace: { id: workspaceId } })
    expect((await host.put('ann', file.url, file.content)).status).toBe(200)
  })
})

/** send uploads so many bytes in pieces, as fast as they are taken. */
async function send(host: TestHost, browser: string, url: string, pieces: Iterable<Buffer>): Promise<http.IncomingMessage> {
  const { hostname, port } = new URL(host.url)
  const request = http.request({
    hostname, port, path: url, method: 'PUT', headers: { 'origin': host.url, 'content-type': 'application/pdf', 'x-browser': browser },
  })
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => request.once('response', resolve).once('error', reject))
  for (const piece of pieces) {
    if (!request.write(piece)) await Promise.race([new Promise(resolve => request.once('drain', resolve)), answered])
  }
  request.end()
  return answered
}

/** memory is what this process holds without its garbage, and how large it is, in MiB. */
function memory(): { held: number, resident: number } {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { held: (heapUsed + external) / (1 << 20), resident: rss / (1 << 20) }
}

describe('a large file', () => {
  it('of 100 MiB goes up and comes down in little memory', async () => {
    const host = await startHost()
    const { workspaceId } = await host.person('ann')
    const piece = randomBytes(1 << 20)
    const count = 100
    const digest = createHash('sha256').update(pdf())
    for (let n = 0; n < count; n++) digest.update(piece)
    const hash = `sha256:${digest.digest('hex')}`
    const sizeBytes = pdf().length + count * piece.length
    const { url } = await host.presign('ann', 'presignUpload', { workspaceId, hash, mimeType: 'application/pdf', sizeBytes })
    const before = memory()
    const most = { ...before }
    let moved = 0
    /** look notes the most after each tenth of the file. Browser and host are this process. */
    function look(bytes: number): void {
      if (Math.trunc(moved / (10 * piece.length)) !== Math.trunc((moved += bytes) / (10 * piece.length))) {
        const now = memory()
        most.held = Math.max(most.held, now.held)
        most.resident = Math.max(most.resident, now.resident)
      }
    }
    function* pieces(): Generator<Buffer> {
      yield pdf()
      for (let n = 0; n < count; n++) {
        look(piece.length)
        yield piece
      }
    }
    expect((await send(host, 'ann', url, pieces())).statusCode).toBe(200)
    const file = { workspaceId, hash, content: { length: sizeBytes } as Buffer, url }
    expect((await host.ask('ann', 'commit', commitOf(file))).status).toBe(200)
    const down = await host.presign('ann', 'presignDownload', { workspaceId, hash })
    const got = createHash('sha256')
    for await (const part of (await host.get('ann', down.url)).body ?? []) {
      look(part.length)
      got.update(part)
    }
    expect(`sha256:${got.digest('hex')}`).toBe(hash)
    expect(most.held - before.held).toBeLessThan(count / 2)
    expect(most.resident - before.resident).toBeLessThan(count * 0.75)
  })
})

describe('without an engine', () => {
  it('everything is 503 with Retry-After', async () => {
    const host = await startHost()
    const { workspaceId } = await host.person('ann')
    const file = await presigned(host, 'ann', workspaceId)
    await host.close()
    const body = { workspaceId, hash: file.hash, mimeType: 'application/pdf', sizeBytes: 1 }
    for (const [method, input] of [
      ['presignUpload', body], ['presignDownload', body], ['deleteObject', body], ['commit', commitOf(file)],
      ['gc', { workspace_id: workspaceId, retention_seconds: 1 }],
    ] as const) {
      expect([method, await host.ask('ann', method, input)]).toMatchObject([method, { status: 503, retryAfter: '1' }])
    }
    for (const answer of [await host.put('ann', file.url, file.content), await host.get('ann', file.url.replace('upload', 'download'))]) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    }
  })

  it('that is killed in the course of an upload, the upload is 503, and succeeds when it is sent again', async () => {
    const host = await startHost()
    const { workspaceId } = await host.person('ann')
    const file = await presigned(host, 'ann', workspaceId, Buffer.concat([pdf(), Buffer.alloc(1 << 20)]))
    const { pid } = await cloud.engine.hello()
    function* broken(): Generator<Buffer> {
      yield file.content.subarray(0, 1 << 16)
      process.kill(pid, 'SIGKILL')
      yield file.content.subarray(1 << 16)
    }
    const answer = await send(host, 'ann', file.url, broken())
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
    answer.resume()
    await until(async () => (await cloud.engine.hello().catch(() => ({ pid }))).pid !== pid)
    expect((await host.put('ann', file.url, file.content)).status).toBe(200)
    expect((await host.ask('ann', 'commit', commitOf(file))).status).toBe(200)
  })

  it('or with a browser that leaves, nothing else suffers', async () => {
    const host = await startHost()
    const { workspaceId } = await host.person('ann')
    const file = await presigned(host, 'ann', workspaceId)
    const { hostname, port } = new URL(host.url)
    const socket = connect(Number(port), hostname)
    socket.write(`PUT ${file.url} HTTP/1.1\r\nhost: x\r\nx-browser: ann\r\norigin: ${host.url}\r\ncontent-type: application/pdf\r\n`
      + `content-length: ${file.content.length}\r\n\r\n%PDF`)
    await new Promise(resolve => setImmediate(resolve))
    socket.destroy()
    expect((await host.put('ann', file.url, file.content)).status).toBe(200)
  })
})

it('administrators see what runs, and collect unused files', async () => {
  const host = await startHost()
  await host.person('ann')
  const admin = adminOf()
  const event = { node: { req: { headers: {} }, res: {} }, path: '/', context: {} } as never
  expect(await admin.getStatus(event)).toMatchObject({ details: { package: cloud.packageText }, actions: [{ id: 'storage.gc' }] })
  expect(await admin.runAction(event, 'storage.gc', { retentionDays: 30 }, { session: sessionOf('ann') })).toMatchObject({ deleted_count: 0 })
  await expect(admin.runAction(event, 'storage.gc', undefined, { session: null })).rejects.toMatchObject({ statusCode: 400 })
  await expect(admin.runAction(event, 'x', {}, { session: sessionOf('ann') })).rejects.toMatchObject({ statusCode: 400 })
  await host.close()
  expect(await admin.getStatus(event)).toMatchObject({ warnings: [{ level: 'error' }], actions: [] })
})
