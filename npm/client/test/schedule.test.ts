import { expect, inject, test } from 'vitest'
import { runSchedules } from './schedules/run.js'

// SEED repeats a schedule, SCHEDULES says how many there are from there on.
const first = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
const count = Number(process.env.SCHEDULES ?? (process.env.SEED ? 1 : 30))

test(`${count} random schedules of eight devices from seed ${first} end equal`, async () => {
  expect(await runSchedules({ program: inject('clocked'), first, count, lanes: 3, say: () => undefined })).toEqual([])
})
