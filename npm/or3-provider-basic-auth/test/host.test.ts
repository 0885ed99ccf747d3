import { describe, expect, it } from 'vitest'
import { isActive } from '../src/runtime/host/active'
import { registerAdapter } from '../src/runtime/host/adapters'
import { clientAuthStatus } from '../src/runtime/host/status'
import { firstState } from '../src/runtime/account/session/status'

describe('the package is at work', () => {
  it.each([
    [{ ssrAuthEnabled: true, authProvider: 'basic-auth' }, true],
    [{ ssrAuthEnabled: true, authProvider: '' }, true],
    [{ ssrAuthEnabled: true }, true],
    [{ ssrAuthEnabled: true, authProvider: 'clerk' }, false],
    [{ ssrAuthEnabled: false, authProvider: 'basic-auth' }, false],
    [{ ssrAuthEnabled: 'false', authProvider: 'basic-auth' }, false],
    [{}, false],
  ])('for %o: %s', (config, active) => expect(isActive(config)).toBe(active))
})

describe('an adapter', () => {
  const adapter = { id: 'basic-auth', component: {} }

  it('goes to the registry of the host', () => {
    const got: unknown[] = []
    registerAdapter('authUi', adapter, { $registerAuthUiAdapter: (given: unknown) => got.push(given) }, {})
    expect(got).toEqual([adapter])
  })

  it('waits in the queue of the host, behind those who came before', () => {
    const global = { __or3LockPageAdapterQueue__: ['other'] }
    registerAdapter('lockPage', adapter, {}, global)
    expect(global.__or3LockPageAdapterQueue__).toEqual(['other', adapter])
  })
})

it('tells the host "unknown" instead of "signed out" while the server cannot be asked', () => {
  expect(clientAuthStatus({ ...firstState, problem: 'offline' })).toEqual({ ready: true, authenticated: undefined })
  expect(clientAuthStatus({ ...firstState, status: 'signedIn', problem: 'offline' })).toEqual({ ready: true, authenticated: true })
  expect(clientAuthStatus({ ...firstState, status: 'signedOut' })).toEqual({ ready: true, authenticated: false })
  expect(clientAuthStatus({ ...firstState, status: 'ended' })).toEqual({ ready: true, authenticated: false })
})

it('tells the host of no sign-out on which it would delete what is on no server', () => {
  const unsent = { waiting: 2, failed: 0, cleared: 1 }
  expect(clientAuthStatus({ ...firstState, status: 'ended' }, unsent)).toEqual({ ready: true, authenticated: undefined })
  expect(clientAuthStatus({ ...firstState, status: 'signedOut' }, unsent)).toEqual({ ready: true, authenticated: undefined })
  expect(clientAuthStatus({ ...firstState, status: 'signedIn' }, unsent)).toEqual({ ready: true, authenticated: true })
  expect(clientAuthStatus({ ...firstState, status: 'ended' }, { ...unsent, cleared: 0 })).toEqual({ ready: true, authenticated: false })
})
