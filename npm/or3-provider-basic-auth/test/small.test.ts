import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { deviceName } from '../src/runtime/account/forms/devices'
import { newPasswordFaults } from '../src/runtime/account/forms/passwords'
import { takeLink } from '../src/runtime/account/links'
import { english, eventWords } from '../src/runtime/account/messages/en'
import { eventText } from '../src/runtime/account/messages/events'
import { textOf } from '../src/runtime/account/messages/text'
import { obstacleText } from '../src/runtime/account/messages/passkeys'
import { obstacleOf } from '../src/runtime/account/passkeys/obstacle'
import { createPasskeys } from '../src/runtime/account/passkeys/passkeys'
import { createEndings } from '../src/runtime/account/session/ending'
import { unsentOf, type Unsent } from '../src/runtime/account/unsent/unsent'
import { unsentText } from '../src/runtime/account/unsent/words'

describe('a device is named after what the server tells of it', () => {
  it.each([
    [{ browser: 'Firefox', system: 'Linux' }, 'Firefox on Linux'],
    [{ browser: 'Firefox' }, 'Firefox'],
    [{ system: 'Linux' }, 'Linux'],
    [{}, 'Unknown device'],
    [undefined, 'Unknown device'],
  ])('%j is called %s', (parts, name) => expect(deviceName(textOf(english), parts)).toBe(name))

  it('in the words of a translation', () => {
    const t = textOf(english, { 'devices.browserOn': (p: { browser: string, system: string }) => `${p.system}, ${p.browser}` })
    expect(deviceName(t, { browser: 'Safari', system: 'iPhone' })).toBe('iPhone, Safari')
  })
})

describe('the README', () => {
  const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const { name, exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { name: string, exports: Record<string, { import: string }> }

  it('imports what the package publishes', () => {
    const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, path]) => path!)
    expect(imported.length).toBeGreaterThan(2)
    for (const path of imported) {
      expect(path.startsWith(`${name}/`), path).toBe(true)
      const entry = Object.keys(exports).find(key => new RegExp(`^${key.replaceAll('.', '\\.').replace('*', '\\w+')}$`).test(path.replace(name, '.')))
      const file = exports[entry ?? '']?.import.replace('*', path.replace(/.*\/|\.vue$/g, '')).replace('./dist/', '../src/').replace(/\.js$/, '.ts')
      expect(file && existsSync(new URL(file, import.meta.url)), path).toBe(true)
    }
  })
})

describe('a security event', () => {
  it('has words for every kind that the server records, and for no other', () => {
    const source = readFileSync(new URL('../../../providers/basicauth/internal/guard/trail.go', import.meta.url), 'utf8')
    const recorded = [...source.matchAll(/ Event += "(\w+)"/g)].map(([, kind]) => `event.${kind}`)
    expect(recorded).toContain('event.signed_in')
    expect(Object.keys(eventWords).sort()).toEqual(recorded.sort())
  })

  it.each([
    ['totp_enabled', 'Authenticator app set up'],
    ['moon_landing_booked', 'Moon landing booked'],
    ['constructor', 'Constructor'],
  ])('%s is "%s"', (kind, text) => expect(eventText(textOf(english), kind)).toBe(text))
})

describe('a new password', () => {
  const faults = (password: string, confirmPassword = password) => newPasswordFaults(textOf(english), { password, confirmPassword }, 8)

  it('is counted in characters', () => {
    expect(faults('1234567')).toHaveProperty('password')
    expect(faults('12345678')).toEqual({})
    expect(faults('😀😀😀😀')).toHaveProperty('password') // four, though eight code units
  })

  it('is written twice the same', () => expect(faults('long enough', 'long enougH')).toEqual({ confirmPassword: 'The passwords do not match.' }))
})

describe('a one-time link', () => {
  function open(url: string) {
    const { pathname, search, hash } = new URL(url)
    const replaced: unknown[] = []
    const link = takeLink({
      location: { pathname, search, hash } as Location,
      history: { state: { own: 1 }, replaceState: (...args: unknown[]) => void replaced.push(args) } as unknown as History,
    })
    return { link, replaced }
  }

  it.each(['reset', 'confirm-email', 'invite', 'setup'] as const)('#%s= leaves the address bar at once', (kind) => {
    expect(open(`https://x.example/chat?a=1#${kind}=tok%2Ben`)).toEqual({
      link: { kind, token: 'tok+en' },
      replaced: [[{ own: 1 }, '', '/chat?a=1']],
    })
  })

  it.each([
    ['/?invite=a%2Bc', '/'],
    ['/chat/1?a=%20b&invite=a%2Bc&c#there', '/chat/1?a=%20b&c#there'],
    ['/?invite=a%2Bc&invite=other', '/'],
    ['/lock?next=%2Fchat%3Fx%3D1%26invite%3Da%252Bc&y=2', '/lock?next=%2Fchat%3Fx%3D1&y=2'], // as the lock page of OR3 Chat keeps it
  ])('%s leaves %s, as OR3 Chat makes them', (address, rest) => {
    expect(open(`https://x.example${address}`)).toEqual({ link: { kind: 'invite', token: 'a+c' }, replaced: [[{ own: 1 }, '', rest]] })
  })

  it('no token of two stays', () => {
    expect(open('https://x.example/?invite=a&b=1#invite=c')).toEqual({ link: { kind: 'invite', token: 'c' }, replaced: [[{ own: 1 }, '', '/?b=1']] })
  })

  it.each(['https://x.example/', 'https://x.example/?invite=', 'https://x.example/?invited=1&next=%2Fchat%3Finvite', 'https://x.example/?setup=a', 'https://x.example/#reset=', 'https://x.example/#section', 'https://x.example/#resetx=1'])('%s is none', (url) => {
    expect(open(url)).toEqual({ link: null, replaced: [] })
  })
})

describe('what stands between a page and passkeys', () => {
  const here = { hostname: 'cloud.example.org', secure: true, capable: true }
  const server = { passkeys: true, passkeyDomain: 'cloud.example.org' }

  it.each([
    [here, server, null],
    [here, null, null],
    [here, { passkeys: true, passkeyDomain: 'example.org' }, null],
    [{ ...here, hostname: 'localhost' }, { passkeys: true, passkeyDomain: 'localhost' }, null],
    [{ ...here, hostname: '192.0.2.7', secure: false }, { passkeys: false }, 'address'],
    [{ ...here, hostname: '[2001:db8::1]' }, server, 'address'],
    [{ ...here, secure: false, capable: false }, server, 'insecure'],
    [{ ...here, hostname: 'nas.local' }, server, 'domain'],
    [{ ...here, hostname: 'evil-cloud.example.org' }, { passkeys: true, passkeyDomain: 'evil.example.org' }, 'domain'],
    [{ ...here, hostname: 'notcloud.example.org' }, server, 'domain'],
    [{ ...here, capable: false }, server, 'browser'],
    [{ ...here, capable: false }, null, 'browser'],
    [here, { passkeys: false }, 'server'],
  ])('%j at %j: %s', (place, config, obstacle) => expect(obstacleOf(place, config)).toBe(obstacle))

  it('has words', () => {
    expect(obstacleText(textOf(english), 'domain', server)).toContain('belong to cloud.example.org')
    expect(obstacleText(textOf(english), 'address', server)).toContain('at an IP address')
  })
})

describe('what is not sent', () => {
  const op = (pk: string, status: string, tableName = 'threads') => ({ tableName, pk, status })

  it.each([
    [[], false, { waiting: 0, failed: 0, cleared: 0 }],
    [[op('a', 'pending'), op('a', 'syncing'), op('a', 'pending', 'messages')], false, { waiting: 2, failed: 0, cleared: 0 }],
    [[op('a', 'failed'), op('b', 'failed_permanent'), op('b', 'retry_wait'), op('c', 'in_flight')], false, { waiting: 2, failed: 1, cleared: 0 }],
    [[op('a', 'applied'), op('b', 'discarded')], true, { waiting: 0, failed: 0, cleared: 0 }],
    [[op('a', 'failed'), op('b', 'pending')], true, { waiting: 1, failed: 1, cleared: 2 }],
  ])('%j, cleared %s: %j', (ops, clears, unsent) => expect(unsentOf(ops, clears)).toEqual(unsent))

  it('is told with what becomes of it', () => {
    const said = (unsent: Unsent) => unsentText(textOf(english), unsent).join(' ')
    expect(said({ waiting: 0, failed: 0, cleared: 0 })).toBe('Everything is on the server now.')
    expect(said({ waiting: 1, failed: 0, cleared: 0 })).toMatch(/^1 change made on this device is not on the server\. .* sent when you sign in here again\.$/)
    expect(said({ waiting: 2, failed: 1, cleared: 0 })).toMatch(/^3 changes .*sign in here again\. 1 change could not be sent and stays in this browser only\.$/)
    expect(said({ waiting: 2, failed: 0, cleared: 2 })).toMatch(/^2 changes [^.]*\. Signing out deletes 2 changes permanently[^.]*\.$/)
  })
})

describe('what has ended a session', () => {
  const stored = new Map<string, string>()
  const storage = { getItem: (key: string) => stored.get(key) ?? null, setItem: (key: string, value: string) => stored.set(key, value), removeItem: (key: string) => stored.delete(key) } as unknown as Storage

  it('is known to the next page and other tabs until it was said', () => {
    const endings = createEndings(() => storage)
    expect(endings.why.value).toBe('')
    endings.note('session_revoked')
    expect(createEndings(() => storage).why.value).toBe('session_revoked')
    endings.told()
    expect([endings.why.value, createEndings(() => storage).why.value]).toEqual(['', ''])
  })

  it('differs from an intended sign-out until a user is signed in again', () => {
    const endings = createEndings(() => storage)
    expect(endings.meant()).toBe(false)
    endings.left()
    endings.told()
    expect([endings.meant(), createEndings(() => storage).meant()]).toEqual([true, true])
    endings.clear()
    expect([endings.meant(), createEndings(() => storage).meant()]).toEqual([false, false])
  })

  it('is known to this page where storage is forbidden', () => {
    const endings = createEndings(() => {
      throw new DOMException('forbidden', 'SecurityError')
    })
    endings.note('password_changed')
    endings.left()
    expect([endings.why.value, endings.meant()]).toEqual(['password_changed', true])
  })

  it('has words for whatever the server says', () => {
    const source = readFileSync(new URL('../../../providers/basicauth/internal/sessions/why.go', import.meta.url), 'utf8')
    const names = readFileSync(new URL('../../../providers/basicauth/internal/guard/trail.go', import.meta.url), 'utf8')
    const kinds = [...source.slice(source.indexOf('var enders'), source.indexOf('besideEnd')).matchAll(/guard\.(Event\w+)/g)]
      .map(([, name]) => new RegExp(`${name} +Event = "(\\w+)"`).exec(names)![1])
    expect(kinds).toContain('session_revoked')
    expect(Object.keys(english).filter(key => key.startsWith('ended.')).sort()).toEqual(kinds.map(kind => `ended.${kind}`).sort())
  })
})

describe('a passkey ceremony', () => {
  const failing = (error: Error) => createPasskeys({ location: { hostname: 'x.example' }, isSecureContext: true } as Window, async () => ({
    startAuthentication: async () => {
      throw error
    },
    startRegistration: async () => {
      throw error
    },
  }) as unknown as typeof import('@simplewebauthn/browser'))
  const named = (name: string, code?: string) => Object.assign(new Error(name), { name, ...(code ? { code } : {}) })

  it.each([
    [named('NotAllowedError', 'ERROR_PASSTHROUGH_SEE_CAUSE_PROPERTY'), 'cancelled'],
    [named('AbortError', 'ERROR_CEREMONY_ABORTED'), 'cancelled'],
    [named('InvalidStateError', 'ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED'), 'passkey_exists'],
    [named('SecurityError', 'ERROR_INVALID_RP_ID'), 'passkey_failed'],
    [new TypeError('odd'), 'passkey_failed'],
  ])('that fails with %s is %s', async (error, code) => {
    await expect(failing(error).get({} as never)).rejects.toMatchObject({ code, cause: error })
    await expect(failing(error).create({} as never)).rejects.toMatchObject({ code, cause: error })
  })
})
