import { expect, it } from 'vitest'
import { advice, isClient, type HostConfig } from '../src/advice'

it.each<[HostConfig, string[]]>([
  [{ storage: { enabled: true, provider: 'fs' }, sync: { enabled: true } }, ['info']],
  [{ storage: { enabled: true, provider: 'fs' }, sync: { enabled: false } }, ['info', 'warn']],
  [{ storage: { enabled: true, provider: 'fs' } }, ['info', 'warn']],
  [{ storage: { enabled: true, provider: 's3' }, sync: { enabled: false } }, []],
  [{ storage: { enabled: false, provider: 'fs' }, sync: { enabled: true } }, []],
  [{ storage: { enabled: 'false', provider: 'fs' } }, []],
  [{}, []],
])('for a client with %j it says: %j', (config, levels) => {
  expect(advice(config, true).map(({ level }) => level)).toEqual(levels)
  expect(advice(config, false).map(({ level }) => level)).toEqual(levels.filter(level => level !== 'info'))
})

it.each([
  [{ nitro: { static: true } }, {}, true],
  [{ nitro: {} }, { OR3_CLOUD_CLIENT: 'true' }, true],
  [{ nitro: {} }, { OR3_CLOUD_CLIENT: '1' }, false],
  [{ nitro: {} }, {}, false],
])('%j with %j is a client: %s', (options, env, client) => expect(isClient(options, env)).toBe(client))
