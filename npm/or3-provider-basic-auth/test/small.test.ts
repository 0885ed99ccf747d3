import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { deviceName } from '../src/runtime/account/forms/devices'
import { newPasswordFaults } from '../src/runtime/account/forms/passwords'
import { takeLink } from '../src/runtime/account/links'
import { english, eventWords } from '../src/runtime/account/messages/en'
import { eventText } from '../src/runtime/account/messages/events'
import { textOf } from '../src/runtime/account/messages/text'
import { createPasskeys } from '../src/runtime/account/passkeys/passkeys'

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

  it('is written twice the same', () => expect(faults('long enough', 'long enougH')).toEqual({ confirmPassword: 'The two passwords differ.' }))
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

describe('a passkey ceremony', () => {
  const failing = (error: Error) => createPasskeys(async () => ({
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
