// The library with a clock, timers and random numbers of its own: devices whose clocks differ live in one process, and
// a seed repeats all that they do.
import { resolve } from 'node:path'
import { runInThisContext } from 'node:vm'
import { build, type Rollup } from 'vite'
import type { connect } from '../../src/index.js'
import { withoutLocks } from '../lockless.js'
import type { Random } from '../random.js'

withoutLocks()

/** The time of a schedule, which passes when the schedule says so. */
export class Clock {
  readonly #timers = new Set<{ at: number, run: () => void }>()

  constructor(public now: number) {}

  pass(ms: number): void {
    this.now += ms
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at <= this.now && this.#timers.delete(timer)) timer.run()
    }
  }

  set(run: () => void, ms = 0): object {
    const timer = { at: this.now + ms, run }
    this.#timers.add(timer)
    return timer
  }

  clear(timer: unknown): void {
    this.#timers.delete(timer as never)
  }
}

type Load = (...taken: unknown[]) => { connect: typeof connect }

let loading: Promise<Load> | undefined

async function load(): Promise<Load> {
  const { output } = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'esnext',
      rollupOptions: {
        input: resolve('src/index.ts'),
        output: { format: 'iife', name: 'library' },
        preserveEntrySignatures: 'strict',
      },
    },
  }) as Rollup.RollupOutput
  return runInThisContext(`(Date, Math, crypto, AbortSignal, setTimeout, clearTimeout) => { ${output[0].code}\nreturn library }`, { filename: 'or3-cloud-client.js' }) as Load
}

/** A copy of the library, for one device at a time. */
export class Realm {
  /** By how many milliseconds the device's clock is ahead of the time of the schedule. */
  ahead = 0
  readonly connect: typeof connect

  private constructor(library: Load, public clock: Clock, public random: Random) {
    const date = new Proxy(Date, { get: (target, name) => name === 'now' ? () => this.clock.now + this.ahead : Reflect.get(target, name) as unknown })
    const math = Object.create(Math, { random: { value: () => this.random.next() } }) as object
    const uuid = (): string => {
      const hex = Array.from({ length: 4 }, () => Math.floor(this.random.next() * 2 ** 32).toString(16).padStart(8, '0')).join('')
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
    }
    // Nothing takes so long that it is given up: requests wait for the schedule.
    const signals = { any: (list: AbortSignal[]) => AbortSignal.any(list), timeout: () => new AbortController().signal }
    const set = (run: () => void, ms: number): object => this.clock.set(run, ms)
    const clear = (timer: unknown): void => this.clock.clear(timer)
    this.connect = library(date, math, { randomUUID: uuid, subtle: crypto.subtle }, signals, set, clear).connect
  }

  static async open(clock: Clock, random: Random): Promise<Realm> {
    return new Realm(await (loading ??= load()), clock, random)
  }

  /** Gives the realm to another device. */
  begin(clock: Clock, random: Random): void {
    Object.assign(this, { clock, random, ahead: 0 })
  }
}
