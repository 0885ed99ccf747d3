// A real Nuxt host in the isolated layouts of pnpm and Bun, from an empty folder to a user who has signed in. That of
// npm is built by host-fixture/scripts/run.mjs.
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, inject, onTestFinished, test } from 'vitest'
import { email, password, settings } from '../../host-fixture/scripts/settings.mjs'
import { Host } from './host.js'
import { bun, pnpm, Project, tool, type Manager } from './managers.js'
import { block } from './page.js'
import { pins, providers } from './release.js'

const { version, own: system, foreign } = inject('release')
const fixture = fileURLToPath(new URL('../../host-fixture/', import.meta.url))
const modules = providers.map(name => `${name}/nuxt`)

interface Pair {
  pair: string
  form: string
  manager: Manager
  /** The Node that runs the host and its build. */
  node: string
  /** The list of modules that the wizard leaves. */
  list: [file: string, text: string]
  /** How the pins are replaced. */
  replace: (manifest: object) => object
}

const pairs: Pair[] = [
  {
    pair: 'oldest', form: 'base', manager: pnpm, node: process.execPath,
    list: ['or3.providers.generated.ts', `export const or3ProviderModules: string[] = ${JSON.stringify(modules)}\n`],
    replace: manifest => ({ ...manifest, ...JSON.parse(block('pnpm-package')) as object }),
  },
  {
    pair: 'newest', form: 'newest', manager: bun, node: tool('node'),
    list: ['or3.providers.generated.json', block('providers-list')],
    replace: manifest => ({ ...manifest, ...JSON.parse(block('bun-overrides')) as object }),
  },
]

/** What the newest host has in its configuration whatever is installed, by path; by name it would be the same. */
const trace = 'nitro: { externals: { traceInclude: [`${import.meta.dirname}/node_modules/better-sqlite3/lib/index.js`, \'better-sqlite3\'] } },'

// walk:follows nuxt-host.md OR3_DATA_DIR=/var/lib/or3-cloud node .output/server/index.mjs
// walk:follows nuxt-host.md OR3_CLOUD_TARGETS=linux-x64 npx nuxt build
test.each(pairs)('$manager.name, the $pair pair: installed over the pins, type-checked, built, moved and used', async ({ pair, form, manager, node, list, replace }) => {
  const { name, dependencies, devDependencies: { node: ownNode, ...devDependencies } } = JSON.parse(
    readFileSync(join(fixture, 'pairs', pair, 'package.json'), 'utf8'),
  ) as { name: string, dependencies: object, devDependencies: Record<string, string> }
  // In an isolated layout a project sees the types of Nitro and the styles of Tailwind only if it depends on them.
  const own = { name, dependencies: { ...dependencies, ...pins, 'or3-cloud-client': version }, devDependencies: { ...devDependencies, nitropack: '^2.13.0', tailwindcss: '^4.1.16' } }
  const project = new Project(replace(own), settings, node)
  for (const part of ['host', join('forms', form)]) cpSync(join(fixture, part), project.path, { recursive: true })
  const config = readFileSync(join(project.path, 'nuxt.config.ts'), 'utf8')
  project.write('nuxt.config.ts', config.replace('telemetry: false,', `telemetry: false,\n  ${trace}`))
  project.write(...list)

  await project.run(manager.command, manager.install)
  expect(existsSync(join(project.path, 'node_modules', manager.isolated ?? ''))).toBe(true)
  expect(existsSync(join(project.path, 'node_modules/better-sqlite3'))).toBe(false)
  await expect(project.run('nuxt', ['build'], { NITRO_PRESET: 'cloudflare-module' })).rejects.toThrow(
    'The Nitro preset cloudflare-module is not supported',
  )
  const said = await project.run('nuxt', ['build'], { OR3_CLOUD_TARGETS: system })
  await project.run('vue-tsc', ['-b', '--noEmit']) // with the types that the build has written
  expect(said).not.toMatch(/better-sqlite3/)

  // What was built is moved to where nothing is above it, and what it was built from is gone.
  const folder = mkdtempSync(join(tmpdir(), 'or3-moved-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 }))
  const output = join(folder, 'output')
  renameSync(join(project.path, '.output'), output)
  rmSync(join(project.path, 'node_modules'), { recursive: true, force: true })
  expect(existsSync(join(output, 'server/node_modules/better-sqlite3'))).toBe(false)
  const start = (data: string, more: Record<string, string> = {}): Host => {
    mkdirSync(join(folder, data), { recursive: true, mode: 0o700 }) // a strict host makes none
    return new Host(node, output, { ...project.env, OR3_DATA_DIR: join(folder, data), ...more })
  }

  // Unix sockets have short paths; directories need not.
  const data = 'd'.repeat(150)
  const program = join(output, 'server/or3-cloud-programs', system, 'or3-cloud')
  chmodSync(program, 0o644) // lost by an archive
  const host = start(data)
  const pid = await host.engine()
  expect(host.said).toContain(
    `@or3-cloud/or3-provider-basic-auth ${version}, @or3-cloud/or3-provider-fs ${version}, @or3-cloud/or3-provider-sqlite ${version} (or3-cloud-engine ${version}) use or3-cloud `,
  )
  const url = await host.url()
  const answer = await fetch(`${url}/api/basic-auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'origin': url, 'x-or3-cloud-intent': 'mutation' },
    body: JSON.stringify({ email, password }),
  })
  expect([answer.status, await answer.text()]).toEqual([200, expect.anything()])

  // Another worker asks the same engine; when both were killed, it is gone, and the directory is free.
  const worker = start(data)
  expect(await worker.engine()).toBe(pid)
  await Promise.all([host.kill('SIGKILL'), worker.kill('SIGKILL')])
  while (alive(pid)) await pause(20)
  const next = start(data)
  expect(await next.engine()).not.toBe(pid)
  await next.kill('SIGTERM')

  // A build for another platform, and one without its program: a strict host does not start, and says what helps.
  const carried = join(output, 'server/or3-cloud-programs/carried.json')
  const before = readFileSync(carried, 'utf8')
  writeFileSync(carried, before.replace(`"targets":["${system}"]`, `"targets":["${foreign}"]`))
  const other = start('other')
  expect(await other.ended).toBe(1)
  expect(other.said).toContain(`OR3_CLOUD_TARGETS=${system}`)
  writeFileSync(carried, before.replace(`"targets":["${system}"]`, '"targets":[]'))
  const without = start('without')
  expect(await without.ended).toBe(1)
  expect(without.said).toContain(`@or3-cloud/${system} ${version}, an optional dependency of or3-cloud-engine`)
  expect(without.said).toContain(`${manager.name} add `)
  const wrong = start('wrong', { OR3_CLOUD_BIN: '/none' })
  expect(await wrong.ended).toBe(1)
  expect(wrong.said).toContain('OR3_CLOUD_BIN is /none, but there is no such file')
})

function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')) // no one may have waited for it
  }
  catch {
    return false
  }
}
