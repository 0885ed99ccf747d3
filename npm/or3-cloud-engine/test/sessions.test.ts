import { describe, expect, test } from 'vitest'
import type { Client } from '../src/client.js'
import { unavailable } from '../src/errors.js'
import type { ServerEvent } from '../src/events.js'
import type { SessionAnswer } from '../src/methods.js'
import { SessionMemory } from '../src/sessions.js'
import { until } from './folders.js'
import { hostOf, signIn, start } from './rig.js'

/** A client whose stream and answers are the test's. */
function stage(): {
  memory: SessionMemory
  tell: (event: ServerEvent) => Promise<void>
  breakOff: () => Promise<void>
  ask: (cookie: string) => Promise<SessionAnswer>
  asked: () => number
  hold: () => () => void
  time: { now: number }
  answer: (of: Partial<SessionAnswer>) => void
} {
  const time = { now: 1000 }
  let asked = 0
  let given: Partial<SessionAnswer> = {}
  let gate = Promise.resolve()
  let wake: (() => void) | undefined
  let queue: (ServerEvent | 'end')[] = []
  const client = {
    async call() {
      asked++
      const now = given
      await gate
      return {
        session: { provider: 'basic-auth', userId: 'ann', sessionId: 's1', expiresAt: 2000 },
        setCookies: [],
        reusableUntil: 2000,
        ...now,
      }
    },
    async* events(_: string, { signal }: { signal: AbortSignal }) {
      signal.addEventListener('abort', () => wake?.())
      while (!signal.aborted) {
        const next = queue.shift()
        if (next === 'end') return
        if (next) yield next
        else await new Promise<void>(resolve => (wake = resolve))
      }
    },
  } as unknown as Client
  const memory = new SessionMemory(client, { now: () => time.now, limit: 3 })
  const push = async (event: ServerEvent | 'end'): Promise<void> => {
    queue.push(event)
    wake?.()
    await new Promise(resolve => setImmediate(resolve))
    queue = []
  }
  return {
    memory,
    time,
    tell: push,
    breakOff: () => push('end'),
    asked: () => asked,
    answer: of => (given = of),
    ask: cookie => memory.ask({ url: '/', headers: { Cookie: cookie } }, {}),
    hold() {
      let open = (): void => undefined
      gate = new Promise<void>(resolve => (open = resolve))
      return open
    },
  }
}

const watching = { name: 'watching', data: '{}' }

describe('the four rules', () => {
  test('1: nothing is remembered before the watch has begun, and all is forgotten when it ends', async () => {
    const s = stage()
    await s.ask('a=1')
    await s.ask('a=1')
    expect(s.asked()).toBe(2)
    await s.tell(watching)
    await s.ask('a=1')
    await s.ask('a=1')
    expect(s.asked()).toBe(3)
    expect(s.memory.size).toBe(1)
    await s.breakOff()
    expect([s.memory.watching, s.memory.size]).toEqual([false, 0])
    await s.ask('a=1')
    expect(s.asked()).toBe(4)
    s.memory.close()
  })

  test('2: an answer holds until its end, or until its session or its user is named', async () => {
    const s = stage()
    await s.ask('')
    await s.tell(watching)
    await s.ask('a=1')
    s.time.now = 1999
    await s.ask('a=1')
    expect(s.asked()).toBe(2)
    s.time.now = 2000
    await s.ask('a=1')
    expect(s.asked()).toBe(3)
    s.time.now = 1000
    for (const [data, kept] of [
      ['{"sessionId":"s2"}', true],
      ['{"userId":"bob"}', true],
      ['{"sessionId":"s1"}', false],
      ['{"userId":"ann"}', false],
      ['{"userId":"ann","sessionId":"s9"}', false],
      ['{}', false],
      ['no JSON', false],
      ['null', false],
    ] as const) {
      await s.ask('a=1')
      expect(s.memory.size, data).toBe(1)
      await s.tell({ name: 'revoked', data })
      expect(s.memory.size, data).toBe(kept ? 1 : 0)
    }
    s.memory.close()
  })

  test('3: what was asked before an event, or sets cookies, is not remembered', async () => {
    const s = stage()
    await s.ask('')
    await s.tell(watching)
    for (const between of [
      () => s.tell({ name: 'revoked', data: '{"sessionId":"of another"}' }),
      async () => {
        await s.breakOff()
      },
    ]) {
      const open = s.hold()
      const asked = s.ask('a=1')
      await between()
      open()
      await asked
      expect(s.memory.size).toBe(0)
    }
    await until(async () => {
      await s.tell(watching)
      return s.memory.watching
    })
    for (const of of [{ setCookies: ['a=2'] }, { reusableUntil: 0 }, { session: null }]) {
      s.answer(of)
      await s.ask('a=1')
      expect(s.memory.size).toBe(0)
    }
    s.memory.close()
  })

  test('4: after a doubt everyone is asked for again, and what was asked before it is not remembered', async () => {
    const s = stage()
    await s.ask('')
    await s.tell(watching)
    await s.ask('a=1')
    expect(s.memory.size).toBe(1)
    s.memory.doubt()
    expect([s.memory.watching, s.memory.size]).toEqual([true, 0])
    const open = s.hold()
    const early = s.ask('a=1')
    s.memory.doubt()
    open()
    await early
    expect(s.memory.size).toBe(0)
    await s.ask('a=1')
    expect(s.memory.size).toBe(1)
    s.memory.close()
  })
})

test('the memory is bounded, and the least used goes first', async () => {
  const s = stage()
  await s.ask('')
  await s.tell(watching)
  for (const cookie of ['a', 'b', 'c']) await s.ask(cookie)
  await s.ask('a')
  await s.ask('d')
  const before = s.asked()
  await s.ask('a')
  expect(s.asked()).toBe(before)
  await s.ask('b')
  expect([s.asked(), s.memory.size]).toEqual([before + 1, 3])
  s.memory.close()
})

test('a fault is passed on and never remembered', async () => {
  const memory = new SessionMemory({
    call: () => Promise.reject(unavailable('gone')),
    async* events() {
      /* ends at once */
    },
  } as unknown as Client)
  await expect(memory.ask({ url: '/', headers: {} }, {})).rejects.toMatchObject({ status: 503 })
  memory.close()
})

test('with the real engine a session is remembered until it is signed out, and over a new start of the engine', async () => {
  const { engine } = start()
  const host = await hostOf(engine)
  const cookie = await signIn(host)
  expect((await host.session('none=1')).session).toBeNull()
  let first = await host.session(cookie)
  expect(first.session).toMatchObject({ provider: 'basic-auth', email: 'ann@example.test' })
  await until(async () => first === (first = await host.session(cookie))) // the same object: it is from memory

  const { pid } = await engine.hello()
  process.kill(pid, 'SIGKILL')
  await until(async () => (await engine.hello()).pid !== pid)
  expect((await host.session(cookie)).session).toMatchObject({ email: 'ann@example.test' })
  await until(async () => first === (first = await host.session(cookie)))

  const out = await fetch(`${host.url}/api/basic-auth/sign-out`, {
    method: 'POST',
    headers: { cookie, origin: host.url },
  })
  expect(out.status).toBe(200)
  await until(async () => (await host.session(cookie)).session === null)
})
