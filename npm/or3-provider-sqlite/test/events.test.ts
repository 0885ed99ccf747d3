import { randomUUID } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp, toNodeListener } from 'h3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SessionContext } from '~~/server/auth/session'
import { config, registries } from './nuxt'
import { until } from '../../or3-cloud-engine/test/folders'
import { person, startHost, type Host, type Person } from './rig'

let host: Host
let server: http.Server
let ann: Person
/** Who the host takes every browser for. */
let session: SessionContext | undefined

beforeAll(async () => {
  host = await startHost()
  ann = await person()
  const { default: events } = await import('../src/runtime/server/api/events.get')
  const app = createApp({
    onRequest: (event) => {
      event.context.session = session
    },
  }).use('/api/sync/events', events)
  server = http.createServer(toNodeListener(app)).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await host.close()
})

const url = (workspaceId: string) =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/sync/events?${new URLSearchParams({ workspaceId }).toString()}`

async function push(): Promise<void> {
  const scope = { workspaceId: ann.workspaceId }
  const payload = { id: 'k', name: 'k', value: 1, created_at: 1, updated_at: 1, clock: 1 }
  const stamp = { deviceId: '1a2b3c4d', opId: randomUUID(), hlc: 'h', clock: 1 }
  await registries.syncAdapters.ours().push(ann.event(), { scope, ops: [{ tableName: 'kv', operation: 'put', pk: 'k', payload, stamp }] })
}

describe('live events', () => {
  test('tell the version at once and whenever it changes, until the browser leaves', async () => {
    session = ann.session
    const leaving = new AbortController()
    const answer = await fetch(url(ann.workspaceId), { signal: leaving.signal })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/event-stream')])
    let text = ''
    const reading = (async () => {
      for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) text += piece
    })()
    const versions = () => [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data) as unknown)
    await until(() => versions().length > 0)
    expect(versions()).toEqual([{ workspaceId: ann.workspaceId, serverVersion: 0 }])
    await push()
    await until(() => versions().length > 1)
    expect(versions()[1]).toEqual({ workspaceId: ann.workspaceId, serverVersion: 1 })
    leaving.abort()
    await expect(reading).rejects.toThrow()
  })

  test('end with the membership', async () => {
    const bob = await person()
    session = bob.session
    const store = registries.workspaceStores.ours()
    const { userId } = bob
    const { workspaceId } = await store.createWorkspace({ userId, name: 'Short' })
    session = { ...bob.session, workspace: { id: workspaceId, name: 'Short' } }
    const answer = await fetch(url(workspaceId))
    expect(answer.status).toBe(200)
    await store.removeWorkspace({ userId, workspaceId })
    expect(await answer.text()).toContain('event: version')
  })

  test('are for members, of a workspace that is named', async () => {
    session = undefined
    expect((await fetch(url(ann.workspaceId))).status).toBe(401)
    session = ann.session
    expect((await fetch(url('another'))).status).toBe(403)
    expect((await fetch(url(' '))).status).toBe(400)
    session = { ...ann.session, user: { id: 'stranger' } } // the host remembers a membership that has ended
    expect((await fetch(url(ann.workspaceId))).status).toBe(403)
  })

  test('are not for pages of other origins, except for those that the host allows', async () => {
    session = ann.session
    const from = async (site: string, origin?: string) => {
      const leaving = new AbortController()
      const { status } = await fetch(url(ann.workspaceId), { headers: { 'sec-fetch-site': site, ...(origin && { origin }) }, signal: leaving.signal })
      leaving.abort()
      return status
    }
    expect(await from('same-origin')).toBe(200)
    expect(await from('none')).toBe(200)
    expect(await from('same-site')).toBe(403)
    expect(await from('cross-site', 'https://evil.test')).toBe(403)
    config.security = { allowedOrigins: ['https://app.test'] }
    expect(await from('cross-site', 'https://app.test')).toBe(200)
    expect(await from('cross-site', 'https://evil.test')).toBe(403)
  })
})
