// The development server: it is not strict, and loads its server again when a file changes.
import { appendFileSync, chmodSync, copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { alive, folder, host, program as installed, sessionOf, signIn, start, until } from './host.js'

test('without a program it starts, answers 503, and goes on when there is one; a reload keeps the engine', async () => {
  const program = join(folder(), 'or3-cloud')
  writeFileSync(program, '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const server = await start({
    command: [join(host, 'node_modules/nuxt/bin/nuxt.mjs'), 'dev', '--no-fork', '--no-restart'],
    cwd: host,
    env: { OR3_CLOUD_BIN: program, NODE_ENV: 'development' },
  })
  const answer = await server.ask('POST', '/api/basic-auth/sign-in', { email: 'ann@example.org', password: 'x' })
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
  await server.says(program)

  copyFileSync(installed, `${program}.new`)
  chmodSync(`${program}.new`, 0o755)
  renameSync(`${program}.new`, program)
  const engine = await server.engine()
  const device = await signIn(server)
  await sessionOf(server, device)

  const file = join(host, 'server/api/health.get.ts')
  const before = readFileSync(file, 'utf8')
  try {
    appendFileSync(file, '\nprocess.stdout.write(\'the server is loaded again\\n\')\n')
    await server.says('the server is loaded again')
    await until(async () => (await server.ask('GET', '/api/health').catch(() => undefined))?.status === 200)
    await sessionOf(server, device)
    await until(() => server.engines.filter(alive).length > 0)
    expect(new Set(server.engines.filter(alive)).size).toBe(1)
  }
  finally {
    writeFileSync(file, before)
  }
  await server.end()
  await until(() => !server.engines.some(alive) && !alive(engine))
})
