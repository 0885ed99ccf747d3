// What goes wrong: a program that is missing, an engine that is killed, a host that is killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { environment } from '../scripts/assemble.mjs'
import { settings } from '../scripts/settings.mjs'
import { alive, built, documentOp, folder, launch, program as installed, sessionOf, signIn, start, until, type Server } from './host.js'

/** A copy of the build, whose program is another. */
function buildWith(change: (program: string) => void): string {
  const output = join(folder(), 'output')
  cpSync(built, output, { recursive: true, verbatimSymlinks: true })
  change(join(output, 'server/or3-cloud-programs', `${process.platform}-${process.arch}`, 'or3-cloud'))
  return join(output, 'server/index.mjs')
}

const version = /or3-cloud-engine\S* \d+\.\d+\.\d+/

async function refusal(options: Parameters<typeof launch>[0]): Promise<string> {
  const server = await launch(options)
  expect(await server.exit()).toBe(1)
  return server.said
}

test('a program that is not there stops a strict host, which says what is missing and what helps', async () => {
  const said = await refusal({ env: { OR3_CLOUD_BIN: '/nowhere/or3-cloud' } })
  expect(said).toContain('OR3_CLOUD_BIN is /nowhere/or3-cloud, but there is no such file.')
})

test('a program that cannot be executed stops a strict host', async () => {
  const index = buildWith(program => writeFileSync(program, 'no program'))
  const said = await refusal({ command: [index] })
  expect(said).toMatch(version)
  expect(said).toMatch(/or3-cloud-programs/)
})

test('a lost execute bit is set again', async () => {
  const index = buildWith(program => chmodSync(program, 0o644))
  const server = await start({ command: [index] })
  await signIn(server)
})

test('a program of another version stops a strict host, which names both versions', async () => {
  const program = join(folder(), 'or3-cloud')
  writeFileSync(program, '#!/bin/sh\n[ "$1" = version ] && { echo "or3-cloud 0.0.1"; exit; }\necho "unknown command \\"engine\\"" >&2\nexit 1\n', { mode: 0o755 })
  const said = await refusal({ env: { OR3_CLOUD_BIN: program } })
  expect(said).toContain('0.0.1')
  expect(said).toContain(program)
  expect(said).toMatch(version)
  expect(said).toMatch(/npm install/)
})

test('a data directory that a server has stops a strict host, which names the other process', async () => {
  const dataDir = folder()
  const serve = spawn(installed, ['serve', '--data', dataDir, '--addr', '127.0.0.1:0'], {
    env: { ...environment(dataDir), ...settings, NODE_ENV: 'development' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(async () => {
    serve.kill('SIGKILL')
    await once(serve, 'close')
  })
  let said = ''
  serve.stdout.on('data', (text: Buffer) => (said += text.toString()))
  await until(() => said.includes(' serves http://'))
  expect(await refusal({ dataDir })).toContain(String(serve.pid))
})

test('an engine that is killed under load is started again: 503 meanwhile, and nothing acknowledged is lost', async () => {
  const server = await start()
  const device = await signIn(server)
  const { workspace } = await sessionOf(server, device)
  const scope = { workspaceId: workspace.id }
  const acknowledged = new Set<string>()
  const answers = new Map<number, number>()
  const withoutRetryAfter: number[] = []
  let stop = false

  async function push() {
    while (!stop) {
      const ops = Array.from({ length: 5 }, () => documentOp('under load'))
      const answer = await server.ask('POST', '/api/sync/push', { scope, ops }, device)
      answers.set(answer.status, (answers.get(answer.status) ?? 0) + 1)
      if (answer.status === 200) {
        const { results } = await answer.json() as { results: { opId: string, success: boolean }[] }
        for (const { opId, success } of results) if (success) acknowledged.add(opId)
      }
      else if (!answer.headers.has('retry-after')) withoutRetryAfter.push(answer.status)
    }
  }
  const pushing = Promise.all(Array.from({ length: 4 }, push))
  for (let round = 0; round < 3; round++) {
    const before = acknowledged.size
    await until(() => acknowledged.size > before + 20)
    const engine = await server.engine()
    process.kill(engine, 'SIGKILL')
    await until(() => server.engines.at(-1) !== engine)
  }
  const before = acknowledged.size
  await until(() => acknowledged.size > before)
  stop = true
  await pushing

  expect([...answers.keys()].filter(status => status !== 200 && status !== 503)).toEqual([])
  expect(withoutRetryAfter).toEqual([])
  expect(server.ended).toBe(false)
  const kept = await opsOf(server, device, workspace.id)
  expect([...acknowledged].filter(opId => !kept.has(opId))).toEqual([])
})

async function opsOf(server: Server, device: Awaited<ReturnType<typeof signIn>>, workspaceId: string): Promise<Set<string>> {
  const kept = new Set<string>()
  for (let cursor = 0, more = true; more;) {
    const answer = await server.ask('POST', '/api/sync/pull', { scope: { workspaceId }, cursor, limit: 1000 }, device)
    const page = await answer.json() as { changes: { stamp: { opId: string } }[], nextCursor: number, hasMore: boolean }
    for (const { stamp } of page.changes) kept.add(stamp.opId)
    more = page.hasMore
    cursor = page.nextCursor
  }
  return kept
}

test('while there is no engine, no one is signed out', async () => {
  const program = join(folder(), 'or3-cloud')
  copyFileSync(installed, program)
  chmodSync(program, 0o755)
  const server = await start({ env: { OR3_CLOUD_BIN: program } })
  const device = await signIn(server)
  const { user } = await sessionOf(server, device)
  const engine = await server.engine()
  // What is started in its place ends at once.
  writeFileSync(`${program}.new`, '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const moved = readFileSync(program)
  renameSync(`${program}.new`, program)
  process.kill(engine, 'SIGKILL')
  await until(() => !alive(engine))
  const answer = await server.ask('GET', '/api/auth/session', undefined, device)
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(answer.headers.getSetCookie()).toEqual([])
  const refreshed = await server.ask('POST', '/api/basic-auth/refresh?silent=1', undefined, device)
  expect(refreshed.status).toBe(503)
  expect(refreshed.headers.getSetCookie()).toEqual([])
  expect((await server.ask('POST', '/api/sync/pull', { scope: { workspaceId: 'w' }, cursor: 0, limit: 1 }, device)).status).toBe(503)
  expect((await server.ask('GET', '/api/workspaces', undefined, device)).status).toBe(503)

  writeFileSync(`${program}.new`, moved, { mode: 0o755 })
  renameSync(`${program}.new`, program)
  await until(async () => (await server.ask('GET', '/api/auth/session', undefined, device)).status === 200)
  expect((await sessionOf(server, device)).user.id).toBe(user.id)
})

test('a host that is killed takes its engine with it, and leaves the data directory free', async () => {
  const dataDir = folder()
  const killed = await start({ dataDir })
  const device = await signIn(killed)
  const { user } = await sessionOf(killed, device)
  const engine = await killed.engine()
  await killed.end('SIGKILL')
  await until(() => !alive(engine))
  const next = await start({ dataDir })
  expect((await sessionOf(next, device)).user.id).toBe(user.id)
  expect(await next.engine()).not.toBe(engine)
})

test('a host that is ended ends its engine', async () => {
  const server = await start()
  const engine = await server.engine()
  await server.end('SIGTERM')
  await until(() => !alive(engine))
})

test('two workers share one engine, and keep it when one is killed', async () => {
  const server = await start({ command: [fileURLToPath(new URL('cluster.mjs', import.meta.url)), join(built, 'server/index.mjs')] })
  await until(() => server.engines.length >= 2)
  expect(new Set(server.engines).size).toBe(1)
  const device = await signIn(server)
  for (let i = 0; i < 8; i++) await sessionOf(server, device)
  const [worker = ''] = /worker (\d+)/.exec(server.said)?.slice(1) ?? []
  process.kill(Number(worker), 'SIGKILL')
  await until(() => !alive(Number(worker)))
  // A connection to the dead worker breaks; the next one is to the other.
  for (let i = 0; i < 8; i++) {
    await until(async () => (await server.ask('GET', '/api/auth/session', undefined, device).catch(() => undefined)) !== undefined)
  }
  expect((await sessionOf(server, device)).authenticated).toBe(true)
})

test('a build that was moved has what it needs', async () => {
  const output = join(folder(), 'elsewhere')
  mkdirSync(output)
  cpSync(built, join(output, '.output'), { recursive: true, verbatimSymlinks: true })
  const server = await start({ command: [join(output, '.output/server/index.mjs')] })
  const device = await signIn(server)
  expect((await sessionOf(server, device)).role).toBe('owner')
})
