// The connections of calls, against a server that answers byte by byte what it is told to.
import net from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { neverSent } from '../src/transport.js'
import { Wire } from '../src/wire.js'
import { until } from './folders.js'
import { folder } from './rig.js'

type Answering = (socket: net.Socket, request: string) => void

interface Far {
  path: string
  /** What has been asked, by connection. */
  asked: string[][]
  sockets: net.Socket[]
}

/** Listens, and answers each request that has come whole. */
async function listening(answering: Answering): Promise<Far> {
  const far: Far = { path: join(folder(), 's'), asked: [], sockets: [] }
  const server = net.createServer((socket) => {
    const requests: string[] = []
    far.asked.push(requests)
    far.sockets.push(socket)
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      text += data.toString('latin1')
      const match = /content-length: (\d+)\r\n\r\n/.exec(text)
      const end = match ? match.index + match[0].length + Number(match[1]) : Infinity
      if (text.length < end) return
      requests.push(text)
      text = ''
      answering(socket, requests.at(-1) ?? '')
    })
  })
  await new Promise<void>(resolve => server.listen(far.path, resolve))
  onTestFinished(() => {
    for (const socket of far.sockets) socket.destroy()
    server.close()
  })
  return far
}

function wireTo({ path }: Pick<Far, 'path'>, idle = 60_000): Wire {
  const wire = new Wire({ path }, idle)
  onTestFinished(() => wire.close())
  return wire
}

function ask(wire: Wire, text = '{}', signal?: AbortSignal): Promise<{ status: number, text: string }> {
  const body = Buffer.from(text)
  return wire
    .exchange({ head: `POST / HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n`, body, signal })
    .then(({ status, body }) => ({ status, text: body.toString() }))
}

const short = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'

const answers: Record<string, { sent: string, status: number, text: string, kept: boolean }> = {
  'of a told length': { sent: short, status: 200, text: 'hello', kept: true },
  'without a body': { sent: 'HTTP/1.1 503 \r\ncontent-length:0\r\n\r\n', status: 503, text: '', kept: true },
  'of no content': { sent: 'HTTP/1.1 204 No Content\r\n\r\n', status: 204, text: '', kept: true },
  'in chunks': {
    sent: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\nA\r\nlo, world!\r\n0\r\nX: y\r\n\r\n',
    status: 200, text: 'hello, world!', kept: true,
  },
  'after others that are not it': { sent: `HTTP/1.1 100 Continue\r\n\r\n${short}`, status: 200, text: 'hello', kept: true },
  'the last of its connection': {
    sent: short.replace('\r\n', '\r\nConnection: close\r\n'), status: 200, text: 'hello', kept: false,
  },
}

describe('an answer', () => {
  for (const [name, { sent, status, text, kept }] of Object.entries(answers)) {
    test(`${name} is read whole and in the smallest pieces`, async () => {
      let whole = true
      const far = await listening((socket) => {
        if (whole) socket.write(sent)
        else void bytes(socket, sent)
      })
      const wire = wireTo(far)
      expect(await ask(wire)).toEqual({ status, text })
      expect(wire.free).toBe(kept ? 1 : 0)
      whole = false
      expect(await ask(wire)).toEqual({ status, text })
      expect(far.asked.length).toBe(kept ? 1 : 2)
    })
  }

  test('of no told length ends with its connection', async () => {
    const far = await listening(socket => socket.end('HTTP/1.1 200 OK\r\n\r\nhello'))
    const wire = wireTo(far)
    expect(await ask(wire)).toEqual({ status: 200, text: 'hello' })
    expect(wire.free).toBe(0)
  })

  const wrong: Record<string, string> = {
    'that is none': 'SSH-2.0-OpenSSH\r\n\r\n',
    'of a length that is none': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'with a chunk that is longer': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n',
    'with more behind it': `${short}!`,
    'whose head never ends': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`,
  }
  for (const [name, sent] of Object.entries(wrong)) {
    test(`${name} is an error, and its connection is not used again`, async () => {
      const far = await listening(socket => socket.write(sent))
      const wire = wireTo(far)
      await expect(ask(wire)).rejects.toThrow()
      expect(wire.free).toBe(0)
      await until(() => far.sockets.every(socket => socket.destroyed || socket.readableEnded))
    })
  }

  test('that breaks off is an error', async () => {
    const far = await listening(socket => socket.end(short.slice(0, -1)))
    await expect(ask(wireTo(far))).rejects.toThrow('closed')
  })
})

/** Sends a text byte by byte. */
async function bytes(socket: net.Socket, text: string): Promise<void> {
  for (const byte of Buffer.from(text)) {
    await new Promise<void>(resolve => socket.write(Buffer.of(byte), () => setImmediate(resolve)))
  }
}

describe('a connection', () => {
  test('carries one request at a time', async () => {
    const held: net.Socket[] = []
    const far = await listening(socket => held.push(socket))
    const wire = wireTo(far)
    const asked = [ask(wire, '1'), ask(wire, '2'), ask(wire, '3')]
    await until(() => held.length === 3)
    expect(far.asked.length).toBe(3)
    for (const socket of held) socket.write(short)
    await Promise.all(asked)
    expect(wire.free).toBe(3)
    const again = ask(wire, '4')
    await until(() => held.length === 4)
    held.at(-1)?.write(short)
    await again
    expect(far.asked.length).toBe(3)
  })

  test('that the other side has closed is not used', async () => {
    const far = await listening(socket => socket.write(short))
    const wire = wireTo(far)
    await ask(wire)
    far.sockets[0]?.end()
    await until(() => wire.free === 0)
    expect((await ask(wire)).text).toBe('hello')
    expect(far.asked.length).toBe(2)
  })

  test('ends when it has served nothing for long', async () => {
    const far = await listening(socket => socket.write(short))
    const wire = wireTo(far, 1)
    await ask(wire)
    await until(() => wire.free === 0)
  })

  test('that does not come about says that nothing was sent', async () => {
    const error: unknown = await ask(wireTo({ path: join(folder(), 'none') })).catch((e: unknown) => e)
    expect(neverSent(error)).toBe(true)
  })

  test('ends with the signal of its request, whose reason is the error', async () => {
    const far = await listening(() => undefined)
    const wire = wireTo(far)
    const stop = new AbortController()
    const asked = ask(wire, '{}', stop.signal)
    await until(() => far.asked[0]?.length === 1)
    const reason = new Error('enough')
    stop.abort(reason)
    await expect(asked).rejects.toBe(reason)
    await until(() => far.sockets.every(socket => socket.readableEnded || socket.destroyed))
    await expect(ask(wire, '{}', stop.signal)).rejects.toBe(reason)
  })

  test('of a closed wire ends after its request', async () => {
    const held: net.Socket[] = []
    const far = await listening(socket => held.push(socket))
    const wire = wireTo(far)
    const asked = ask(wire)
    await until(() => held.length === 1)
    wire.close()
    held[0]?.write(short)
    expect((await asked).text).toBe('hello')
    expect(wire.free).toBe(0)
  })
})
