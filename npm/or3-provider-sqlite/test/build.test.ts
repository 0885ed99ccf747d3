import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { askNoOtherHost, copyNoOtherSQLite, goOnWithoutPages, isClient, keepExternalsAbsolute, letBuildEnd, withFallback } from '../src/build'

describe('the service worker falls back to a page that the build has', () => {
  const outDir = mkdtempSync(join(tmpdir(), 'or3-public-'))
  afterAll(() => rmSync(outDir, { recursive: true }))
  writeFileSync(join(outDir, 'offline.html'), '')

  it.each([
    ['/offline.html', '/offline.html'],
    ['/index.html', '/200.html'],
    ['/', '/200.html'],
    [null, null],
    [undefined, undefined],
  ])('%j becomes %j', (page, fallback) => {
    const options = { outDir, workbox: { navigateFallback: page } }
    withFallback(options)
    expect(options.workbox.navigateFallback).toBe(fallback)
  })

  it('and a worker of another kind is left alone', () => {
    const options = { outDir }
    withFallback(options)
    expect(options).toEqual({ outDir })
  })
})

it.each([
  [false, undefined, {}, false],
  [false, undefined, { OR3_CLOUD_CLIENT: 'true' }, true],
  [false, undefined, { OR3_CLOUD_CLIENT: 'false' }, false],
  [false, true, {}, true],
  [true, undefined, { OR3_CLOUD_CLIENT: 'true' }, false],
])('development %j, static %j, %j: makes a client %j', (dev, isStatic, env, client) => {
  expect(isClient({ dev, nitro: { static: isStatic } }, env)).toBe(client)
})

describe('the server half of the build', () => {
  it('goes on without a page in a static build only', () => {
    const built = (isStatic: boolean) => {
      const nitro = { static: isStatic, prerender: { failOnError: true } }
      goOnWithoutPages(nitro)
      return nitro.prerender.failOnError
    }
    expect([built(true), built(false)]).toEqual([false, true])
  })

  it('copies no other SQLite', () => {
    const nitro = { externals: { traceInclude: ['/app/node_modules/better-sqlite3/lib/index.js', 'better-sqlite3', '/app/node_modules/libsql/index.js'] } }
    copyNoOtherSQLite(nitro)
    expect(nitro.externals.traceInclude).toEqual(['/app/node_modules/libsql/index.js'])
  })

  it('is not made up where the host configures none', () => {
    const nitro = {}
    copyNoOtherSQLite(nitro)
    goOnWithoutPages(nitro)
    expect(nitro).toEqual({})
  })

  it('finds shared files by their absolute path', () => {
    const vite: { build: { rollupOptions: object } } = { build: { rollupOptions: { input: 'server' } } }
    keepExternalsAbsolute(vite)
    expect(vite.build.rollupOptions).toEqual({ input: 'server', makeAbsoluteExternalsRelative: false })
  })
})

it('icons come from the own server only', () => {
  const app = { icon: { fallbackToApi: true, class: '' } }
  askNoOtherHost(app)
  expect(app).toEqual({ icon: { fallbackToApi: false, class: '' } })
  const without = {}
  askNoOtherHost(without)
  expect(without).toEqual({})
})

it('timers of the rendering server do not hold the build', () => {
  const acts = new Map<string, () => void>()
  const on = { setInterval }
  letBuildEnd({ hooks: { hook: (name, act) => acts.set(name, act) } }, on)
  const holds = () => {
    const timer = on.setInterval(() => {}, 1_000_000)
    clearInterval(timer)
    return timer.hasRef()
  }
  const before = holds()
  acts.get('prerender:init')?.()
  const during = holds()
  acts.get('prerender:done')?.()
  expect([before, during, holds()]).toEqual([true, false, true])
})

it('the module names files that there are', () => {
  const source = new URL('../src/', import.meta.url)
  const named = [...readFileSync(new URL('module.ts', source), 'utf8').matchAll(/resolve\('([^']+)'\)/g)].map(([, path]) => path)
  expect(named).toHaveLength(2)
  for (const path of named) expect(existsSync(new URL(`${path}.ts`, source)), path).toBe(true)
})
