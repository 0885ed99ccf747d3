import { describe, expect, it } from 'vitest'
import { firstState, step, type SessionEvent, type SessionState } from '../src/runtime/account/session/status'
import { createApi } from '../src/runtime/account/api/api'
import { createRenewal, type Locks } from '../src/runtime/account/session/renewal'
import { createSession } from '../src/runtime/account/session/session'
import { TestServer, refusal, signedIn, signedOut } from './server'

const person = { id: 'u1', email: 'ann@example.org', displayName: 'Ann Lee' }

const events: Record<SessionEvent['type'], SessionEvent> = {
  look: { type: 'look' },
  signedIn: { type: 'signedIn', person },
  signedOut: { type: 'signedOut' },
  renewed: { type: 'renewed' },
  refused: { type: 'refused' },
  failed: { type: 'failed', code: 'offline' },
  left: { type: 'left' },
}

type Work = SessionState['work']
type Outcome = `${Work}${'' | '+ask' | '+renew'}${'' | ' again'}`

/**
 * What every event does to the work in every state; a missing pair does not compile. `again` stands for an answer that
 * will be dropped.
 */
const table: Record<Work, Record<SessionEvent['type'], Outcome>> = {
  idle: { look: 'asking+ask', signedIn: 'idle', signedOut: 'idle', renewed: 'idle', refused: 'idle', failed: 'idle', left: 'idle' },
  asking: { look: 'asking again', signedIn: 'idle', signedOut: 'renewing+renew', renewed: 'asking', refused: 'asking', failed: 'idle', left: 'asking again' },
  renewing: { look: 'renewing again', signedIn: 'renewing', signedOut: 'renewing', renewed: 'confirming+ask', refused: 'idle', failed: 'idle', left: 'renewing again' },
  confirming: { look: 'confirming again', signedIn: 'idle', signedOut: 'idle', renewed: 'confirming', refused: 'confirming', failed: 'idle', left: 'confirming again' },
}

describe('the session machine', () => {
  for (const [work, row] of Object.entries(table)) {
    for (const [type, outcome] of Object.entries(row)) {
      it(`${work}: ${type} leads to ${outcome}`, () => {
        const [state, effect] = step({ ...firstState, work: work as Work }, events[type as SessionEvent['type']])
        expect(`${state.work}${effect ? `+${effect}` : ''}${state.again ? ' again' : ''}`).toBe(outcome)
      })
    }
  }

  it('drops an answer that is older than the last wish, whatever it says', () => {
    for (const type of ['signedIn', 'signedOut', 'renewed', 'refused', 'failed'] as const) {
      for (const work of ['asking', 'renewing', 'confirming'] as const) {
        const before: SessionState = { ...firstState, work, again: true }
        expect(step(before, events[type])).toEqual([{ ...before, work: 'asking', again: false }, 'ask'])
      }
    }
  })

  it('never takes a fault for a sign-out', () => {
    for (const work of ['asking', 'renewing', 'confirming'] as const) {
      const [state] = step({ ...firstState, status: 'signedIn', person, work }, events.failed)
      expect(state).toMatchObject({ status: 'signedIn', person, problem: 'offline' })
    }
  })

  it('tells an ended session from no session before', () => {
    expect(step({ ...firstState, work: 'renewing' }, events.refused)[0].status).toBe('signedOut')
    expect(step({ ...firstState, status: 'signedIn', person, work: 'renewing' }, events.refused)[0].status).toBe('ended')
  })
})

function session(server: TestServer) {
  const api = createApi({ fetch: server.fetch })
  let cleaned = 0
  return {
    session: createSession({ api, renew: async () => (await api.refresh()).ok, afterSignOut: () => void cleaned++ }),
    cleaned: () => cleaned,
  }
}

describe('the session', () => {
  it('renews an expired session and asks again', async () => {
    const server = new TestServer().on('/api/auth/session', signedOut, signedIn).on('refresh?silent=1&why=1', { body: { ok: true } })
    expect(await session(server).session.look()).toMatchObject({ status: 'signedIn', person })
    expect(server.asked.map(({ path }) => path)).toEqual(['/api/auth/session', 'refresh?silent=1&why=1', '/api/auth/session'])
  })

  it('is signed out when the renewal says no, in the new way and in the old one', async () => {
    for (const refused of [{ body: { ok: false } }, { status: 401, body: {} }]) {
      const server = new TestServer().on('/api/auth/session', signedOut).on('refresh?silent=1&why=1', refused)
      expect(await session(server).session.look()).toMatchObject({ status: 'signedOut', problem: null })
    }
  })

  it('stays as it is when the server has a fault', async () => {
    const server = new TestServer().on('/api/auth/session', signedIn, refusal(503, 'unavailable'), signedOut).on('refresh?silent=1&why=1', refusal(429, 'rate_limited'))
    const { session: own } = session(server)
    await own.look()
    expect(await own.look()).toMatchObject({ status: 'signedIn', problem: 'unavailable' })
    expect(await own.look()).toMatchObject({ status: 'signedIn', problem: 'rate_limited' })
  })

  it('takes the session of another provider for none', async () => {
    const server = new TestServer().on('/api/auth/session', { body: { session: { authenticated: true, provider: 'clerk', user: { id: 'x' } } } }).on('refresh?silent=1&why=1', { body: { ok: false } })
    expect(await session(server).session.look()).toMatchObject({ status: 'signedOut' })
  })

  it('cleans up only after a sign-out that the server has confirmed', async () => {
    const server = new TestServer().on('/api/auth/session', signedIn, signedOut).on('refresh?silent=1&why=1', { body: { ok: false } }).on('sign-out', refusal(503, 'unavailable'), {})
    const { session: own, cleaned } = session(server)
    await own.look()
    await expect(own.signOut()).rejects.toMatchObject({ code: 'unavailable' })
    expect([own.state.value.status, cleaned()]).toEqual(['signedIn', 0])
    await own.signOut()
    expect([own.state.value.status, cleaned()]).toEqual(['signedOut', 1])
  })

  it('shares one round of questions between callers', async () => {
    const server = new TestServer().on('/api/auth/session', signedIn)
    const { session: own } = session(server)
    await Promise.all([own.look(), own.look(), own.look()])
    expect(server.count('/api/auth/session')).toBe(2) // the first, and one for those who came during it
  })
})

/** Web Locks as the browser has them, for one name. */
function testLocks(): Locks {
  let tail: Promise<unknown> = Promise.resolve()
  let held = 0
  return {
    async request(_name, options, callback) {
      if (options.ifAvailable && held > 0) return callback(null)
      held++
      const run = tail.then(() => callback({ name: _name, mode: 'exclusive' }))
      tail = run.catch(() => {}).finally(() => held--)
      return run
    },
  }
}

describe('the silent renewal', () => {
  it('is one request per tab, however many ask', async () => {
    let refreshes = 0
    const renew = createRenewal({ refresh: async () => ++refreshes > 0, isSignedIn: async () => true, locks: testLocks() })
    expect(await Promise.all(Array.from({ length: 8 }, renew))).toEqual(Array(8).fill(true))
    expect(refreshes).toBe(1)
  })

  it('is one request per browser: a tab that had to wait looks first', async () => {
    const locks = testLocks()
    let refreshes = 0
    let renewed = false
    const refresh = async () => {
      refreshes++
      await Promise.resolve()
      return renewed = true
    }
    const tabs = Array.from({ length: 5 }, () => createRenewal({ refresh, isSignedIn: async () => renewed, locks }))
    expect(await Promise.all(tabs.map(renew => renew()))).toEqual(Array(5).fill(true))
    expect(refreshes).toBe(1)
  })

  it('works without locks, and again after a failure', async () => {
    const answers = [new Error('down'), true]
    const renew = createRenewal({
      refresh: async () => {
        const answer = answers.shift()!
        if (answer instanceof Error) throw answer
        return answer
      },
      isSignedIn: async () => false,
    })
    await expect(renew()).rejects.toThrow('down')
    expect(await renew()).toBe(true)
  })
})

describe('a signed-in call', () => {
  it('is repeated once after a renewal', async () => {
    const server = new TestServer().on('account', refusal(401, 'session_expired'), { body: { recoveryCodesLeft: 3 } })
    expect(await createApi({ fetch: server.fetch, renew: async () => true }).account()).toEqual({ recoveryCodesLeft: 3 })
    expect(server.count('account')).toBe(2)
  })

  it('fails when the session is over, and is not repeated endlessly', async () => {
    const server = new TestServer().refuse('account', 401, 'session_expired')
    await expect(createApi({ fetch: server.fetch, renew: async () => false }).account()).rejects.toMatchObject({ code: 'session_expired' })
    await expect(createApi({ fetch: server.fetch, renew: async () => true }).account()).rejects.toMatchObject({ code: 'session_expired' })
    expect(server.count('account')).toBe(3)
  })
})
