import { afterAll, beforeAll, test } from 'vitest'
import { runSchedule } from './schedule.js'
import { Browser, Server } from './rig.js'

// SEED repeats a schedule, SCHEDULES says how many there are; the first seeds are always the same, and others are drawn.
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
const count = Number(process.env.SCHEDULES ?? (process.env.SEED ? 1 : 200))

let server: Server
let owner: Browser

beforeAll(async () => {
  server = await Server.start()
  owner = await new Browser(server.url).signIn()
})
afterAll(() => server.remove())

test(`${count} random schedules of eight devices from seed ${seed} end equal`, { timeout: 12 * 3600_000 }, async () => {
  for (let i = 0; i < count; i++) await runSchedule(seed + i, server, owner)
})
