// Runs the scenarios: each browser against a host.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Browser } from './browsers/browser.js'
import { browsers } from './browsers/index.js'
import type { Host } from './host.js'
import { scenarios } from './scenarios/index.js'
import { World } from './world.js'

/** Defines the tests of the matrix for a host, which is started for them: all scenarios, or those that are named. */
export function matrix(start: () => Promise<Host>, chosen = scenarios): void {
  let host: Host
  beforeAll(async () => {
    host = await start()
  })
  afterAll(() => host.remove())

  for (const { name, demanded, there, launch } of browsers) {
    describe.skipIf(!demanded && !there)(name, () => {
      let browser: Browser
      beforeAll(async () => {
        browser = await launch()
      })
      afterAll(() => browser.close())

      test.for(Object.entries(chosen))('%s', async ([, scenario]) => {
        const world = new World(host, browser)
        onTestFinished(async ({ task }) => {
          if (task.result?.state === 'fail') process.stderr.write(`${await world.describe()}\n`)
          await world.close()
        })
        await scenario(world)
        expect(world.complaints).toEqual([])
      })
    })
  }
}
