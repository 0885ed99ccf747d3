import { expect, it } from 'vitest'
import { advice, type HostConfig } from '../src/advice'

it.each<[HostConfig, string[]]>([
  [{ storage: { enabled: true, provider: 'fs' }, sync: { enabled: true } }, ['info']],
  [{ storage: { enabled: true, provider: 'fs' }, sync: { enabled: false } }, ['info', 'warn']],
  [{ storage: { enabled: true, provider: 'fs' } }, ['info', 'warn']],
  [{ storage: { enabled: true, provider: 's3' }, sync: { enabled: false } }, []],
  [{ storage: { enabled: false, provider: 'fs' }, sync: { enabled: true } }, []],
  [{ storage: { enabled: 'false', provider: 'fs' } }, []],
  [{}, []],
])('for %j it says: %j', (config, levels) => expect(advice(config).map(({ level }) => level)).toEqual(levels))
