// A host without our packages.
import { expect, test } from 'vitest'
import { join } from 'node:path'
import { openBrowser, openDevice } from './browser.js'
import { bare, said, start } from './host.js'

/** Rolldown says how slow the machine is, as a warning. */
const withoutTimings = (text: string) => text.replace(/^.*PLUGIN_TIMINGS.*$/gm, '')

test('builds without a warning', () => {
  expect(withoutTimings(said('bare'))).not.toMatch(/warn|deprecat|or3/i)
})

test('starts, says nothing, and has no cloud', async () => {
  const server = await start({ command: [join(bare, 'server/index.mjs')], env: { SSR_AUTH_ENABLED: 'false' } })
  const device = await openDevice(await openBrowser(), server.url)
  await device.page.getByText('No one is signed in.').waitFor()
  expect(await device.page.getByRole('button').count()).toBe(0)
  expect(device.said).toEqual([])
  expect(server.said.replace(/^Listening on .*$/m, '').trim()).toBe('')
  expect((await server.ask('POST', '/api/sync/pull', {})).status).toBe(404)
  expect((await server.ask('GET', '/api/workspaces')).status).toBe(404)
  expect((await server.ask('GET', '/api/does-not-exist')).status).toBe(404)
})
