// Many schedules, several of them at once: they mostly wait for the server.
import { Lane } from './lane.js'
import { runSchedule } from './schedule.js'

export interface Runs {
  /** The program whose stores have a clock that is moved. */
  program: string
  first: number
  count: number
  lanes: number
  say: (line: string) => void
  /** After how many schedules it is said how far they are. */
  every?: number
}

/** Runs schedules, and returns what those have said that did not end as they should. */
export async function runSchedules({ program, first, count, lanes, say, every = Infinity }: Runs): Promise<string[]> {
  const began = Date.now()
  const failed: string[] = []
  const seconds = (): number => Math.round((Date.now() - began) / 1000)
  let next = first
  let done = 0
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, async () => {
    const lane = new Lane(program)
    try {
      while (next < first + count) {
        await runSchedule(next++, lane).catch((error: Error) => {
          failed.push(error.message)
          say(count > 1 ? error.message : `${error.message}\n${(error.cause as Error).stack}`)
          lane.spoil()
        })
        if (++done % every === 0) say(`${done} of ${count} schedules in ${seconds()} s, ${failed.length} failed`)
      }
    }
    finally {
      await lane.close()
    }
  }))
  const seeds = failed.map(message => /\d+/.exec(message)![0])
  say(`${count} schedules from seed ${first} in ${seconds()} s: ${failed.length === 0 ? 'all end equal' : `${failed.length} failed, seeds ${seeds.join(' ')}`}`)
  return failed
}
