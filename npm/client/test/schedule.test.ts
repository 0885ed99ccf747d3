import { test } from 'vitest'
import { restarting, runSchedule } from './schedule.js'
import { Browser, Server } from './rig.js'

// SEED repeats a schedule, SCHEDULES says how many there are from there on.
const first = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
const count = Number(process.env.SCHEDULES ?? (process.env.SEED ? 1 : 100))

/** A user may make no more workspaces than these. */
const perServer = 48

/** Schedules mostly wait, so several of them go on at once. */
const abreast = 6

test(`${count} random schedules of eight devices from seed ${first} end equal`, { timeout: 12 * 3600_000 }, async () => {
  for (let done = 0; done < count; done += perServer) {
    const seeds = Array.from({ length: Math.min(perServer, count - done) }, (_, i) => first + done + i)
    const server = await Server.start()
    try {
      const owner = await new Browser(server.url).signIn()
      const together = seeds.filter(seed => seed % restarting !== 0)
      const next = async (): Promise<void> => {
        for (let seed; (seed = together.shift()) !== undefined;) await runSchedule(seed, server, owner.copy())
      }
      await Promise.all(Array.from({ length: abreast }, next))
      for (const seed of seeds.filter(s => s % restarting === 0)) await runSchedule(seed, server, owner.copy())
    }
    finally {
      await server.remove()
    }
  }
})
