import { expect, test } from 'vitest'
import { mayHaveMarks, plain, revive } from '../src/json.js'
import { newer, reading, timeOf, type Stamp } from '../src/stamp.js'
import { Random } from './random.js'

const travel = (value: unknown): unknown => revive(JSON.parse(JSON.stringify(plain(value))))

test.each<[string, unknown]>([
  ['dates', { at: new Date(1_800_000_000_000), never: new Date(NaN) }],
  ['bytes', { bytes: new Uint8Array([0, 1, 255]), buffer: new Uint8Array([7, 8]).buffer }],
  ['maps and sets', new Map<unknown, unknown>([['a', new Set([1, new Date(0)])], [{ k: 1 }, null]])],
  ['numbers', [0, -0, 1e300, NaN, Infinity, -Infinity, 12345678901234567890n, -1n]],
  ['halves of characters', { text: '\ud83d', [`\udc00`]: 1 }],
  ['what looks like a mark', { $or3: ['date', 5], nested: { $or3: { $or3: ['x', 'y'] } } }],
  ['names of prototypes', JSON.parse('{"__proto__":{"a":1},"constructor":2,"toString":null}')],
  ['large bytes', { bytes: new Uint8Array(200_000).fill(9) }],
])('%s arrive as they were', (_, value) => {
  expect(travel(value)).toEqual(value)
  expect(Object.is((travel([-0]) as number[])[0], -0)).toBe(true)
})

test('random values arrive as they were', () => {
  const random = new Random(26)
  const any = (depth: number): unknown => {
    switch (random.below(depth > 4 ? 7 : 10)) {
      case 0: return null
      case 1: return random.chance(0.5)
      case 2: return random.pick([0, -0, 1.5, NaN, Infinity, -1e9])
      case 3: return random.pick(['', '$or3', 'text', '\ud83d', 'ä'])
      case 4: return new Date(random.below(2 ** 31))
      case 5: return new Uint8Array(random.below(9))
      case 6: return BigInt(random.below(1000))
      case 7: return Array.from({ length: random.below(4) }, () => any(depth + 1))
      case 8: return new Map([[any(depth + 1), any(depth + 1)]])
      default: return Object.fromEntries(Array.from({ length: random.below(4) }, () => [random.pick(['a', 'b', '$or3', 'c.d', '']), any(depth + 1)]))
    }
  }
  for (let i = 0; i < 2000; i++) {
    const value = any(0)
    expect(travel(value)).toEqual(value)
  }
})

test('what cannot travel is named', () => {
  expect(() => plain({ a: [{ b: () => 1 }] })).toThrow('row.a[0].b is a function')
  expect(() => plain({ file: new Blob([]) })).toThrow('row.file is a Blob')
  const deep: unknown[] = []
  let inner = deep
  for (let i = 0; i < 200; i++) inner.push(inner = [])
  expect(() => plain(deep)).toThrow('too deeply')
  expect(mayHaveMarks(JSON.stringify(plain({ at: new Date() })))).toBe(true)
  expect(mayHaveMarks(JSON.stringify(plain({ at: 5, text: 'x' })))).toBe(false)
})

test('readings of a clock rise, whatever the clock does', () => {
  const random = new Random(7)
  let last = ''
  let now = 1_800_000_000_000
  for (let i = 0; i < 100_000; i++) {
    now += random.pick([0, 0, 0, 1, -1, 5, -1000])
    const next = reading(now, 'device01', last)
    if (next <= last) throw new Error(`${next} after ${last}`)
    last = next
  }
  expect(last).toMatch(/^[0-9a-z]{9}:[0-9a-z]{3}:device01$/)
  expect(timeOf(reading(1_771_000_005_123, 'x'))).toBe(1_771_000_005_123)
  expect(reading(5, 'd', `000000005:zzz:d`)).toBe('000000006:000:d')
})

test('of two stamps one is newer, the same for everyone', () => {
  const stamps: Stamp[] = [1, 2].flatMap(clock => ['a', 'b'].flatMap(hlc => ['x', 'y'].map(opId => ({ clock, hlc, opId }))))
  stamps.forEach((a, i) => stamps.forEach((b, j) => expect(newer(a, b)).toBe(i > j)))
})
