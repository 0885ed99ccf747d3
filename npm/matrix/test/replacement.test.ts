// A host whose package.json pins other packages of the same names gets ours in each of the ways of docs/nuxt-host.md.
import { copyFileSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { bun, npm, pnpm, Project, type Manager } from './managers.js'
import { block } from './page.js'
import { pins, providers } from './release.js'

const { version, own, tarballs, npmjs } = inject('release')

/** A host as its authors leave it. */
class PinnedHost extends Project {
  readonly #manager: Manager

  constructor(manager: Manager, more: object = {}) {
    super({ dependencies: pins, ...more })
    this.#manager = manager
    // This checks our packages, not Nuxt beside them.
    this.append('.npmrc', manager === npm ? 'legacy-peer-deps=true\n' : 'auto-install-peers=false\n')
    if (manager === bun) this.append('bunfig.toml', 'peer = false\n')
  }

  install(): Promise<string> {
    return this.run(this.#manager.command, this.#manager.install)
  }

  /** What the wizard does: the pins, by the commands of package managers that add a package. */
  wizard(): Promise<string> {
    return this.add(...providers.map(name => `${name}@${pins[name]}`))
  }

  /** Runs a command of the page. */
  follow(text: string): Promise<string> {
    const [, , ...packages] = text.trim().split(' ')
    return this.add(...packages)
  }

  /** What tells which package the host has as or3-provider-sqlite. */
  tells(): Promise<string> {
    if (this.#manager === bun) return this.run('grep', ['name', 'node_modules/or3-provider-sqlite/package.json'])
    return this.run(this.#manager.command, [this.#manager === npm ? 'ls' : 'why', 'or3-provider-sqlite'])
  }

  add(...packages: string[]): Promise<string> {
    return this.run(this.#manager.command, [this.#manager === npm ? 'install' : 'add', ...packages])
  }

  /** Which package is where the host looks for each provider: ours can start the program, others are named. */
  async installed(): Promise<string[]> {
    return Promise.all(providers.map(async (name) => {
      const manifest = realpathSync(join(this.path, 'node_modules', name, 'package.json'))
      const { name: own, version, dependencies } = JSON.parse(readFileSync(manifest, 'utf8')) as { name: string, version: string, dependencies?: object }
      if (!dependencies || !('or3-cloud-engine' in dependencies)) return `${own} ${version}`
      const engine = createRequire(manifest).resolve('or3-cloud-engine/package.json')
      const { findBinary } = await import(pathToFileURL(join(dirname(engine), 'dist/binary.js')).href) as { findBinary: (search: object) => { from: string } }
      return `${own} ${version} with ${findBinary({ env: {} }).from}`
    }))
  }

  /** For a host without a registry. */
  withTarballs(): this {
    this.write('.npmrc', readFileSync(join(this.path, '.npmrc'), 'utf8').replace(/^registry=.*$/m, `registry=${npmjs}/`))
    this.write('bunfig.toml', readFileSync(join(this.path, 'bunfig.toml'), 'utf8').replace(/^registry = .*$/m, `registry = "${npmjs}/"`))
    for (const name of [...providers, 'or3-cloud-engine', `@or3-cloud/${own}`]) {
      const tarball = tarballs[name] ?? ''
      copyFileSync(tarball, join(this.path, basename(tarball)))
    }
    return this
  }
}

const told = '@or3-cloud/or3-provider-sqlite'
const program = `with @or3-cloud/${own} ${version}`
const aliased = providers.map(name => `@or3-cloud/${name} ${version} ${program}`)
const same = providers.map(name => `${name} ${version} ${program}`)
const upstream = providers.map(name => `${name} ${pins[name]}`)
const json = (name: string): object => JSON.parse(block(name)) as object

describe('npm', () => {
  test('as it is, the host has the other packages', async () => {
    const host = new PinnedHost(npm)
    await host.install()
    expect(await host.installed()).toEqual(upstream)
  })

  // walk:follows nuxt-host.md npm ls or3-provider-sqlite
  test('an alias replaces the pins, until the wizard puts them back', async () => {
    const host = new PinnedHost(npm)
    expect(await host.tells().catch(String)).not.toContain(told)
    await host.follow(block('npm-alias'))
    expect(await host.installed()).toEqual(aliased)
    expect(await host.tells()).toContain(told)
    await host.wizard()
    expect(await host.installed()).toEqual(upstream)
    await host.follow(block('npm-alias'))
    expect(await host.installed()).toEqual(aliased)
  })

  test('an override is taken only where it says the same, and stops the wizard then', async () => {
    const guard = json('npm-guard')
    const refused = new PinnedHost(npm, { ...guard, dependencies: pins })
    await expect(refused.install()).rejects.toThrow('EOVERRIDE')
    const host = new PinnedHost(npm, guard)
    await host.install()
    await expect(host.wizard()).rejects.toThrow('EOVERRIDE')
    expect(await host.installed()).toEqual(aliased)
  })

  test('tarballs replace the pins without a registry', async () => {
    const host = new PinnedHost(npm).withTarballs()
    await host.follow(block('npm-file'))
    expect(await host.installed()).toEqual(same)
  })
})

describe('pnpm', () => {
  // walk:follows nuxt-host.md pnpm install
  // walk:follows nuxt-host.md pnpm add
  // walk:follows nuxt-host.md pnpm why or3-provider-sqlite
  test.each(['pnpm-workspace.yaml', 'package.json'])('overrides in %s replace the pins, and after the wizard an install does', async (place) => {
    const host = new PinnedHost(pnpm, place === 'package.json' ? json('pnpm-package') : {})
    if (place !== 'package.json') host.write(place, block('pnpm-overrides'))
    await host.install()
    expect(await host.installed()).toEqual(aliased)
    await host.wizard()
    await host.install()
    expect(await host.installed()).toEqual(aliased)
    expect(await host.tells()).toContain(told)
  })

  test('an alias replaces the pins, until the wizard puts them back', async () => {
    const host = new PinnedHost(pnpm)
    await host.follow(block('pnpm-alias'))
    expect(await host.installed()).toEqual(aliased)
    await host.wizard()
    expect(await host.installed()).toEqual(upstream)
  })

  test('tarballs replace the pins without a registry', async () => {
    const host = new PinnedHost(pnpm).withTarballs()
    host.write('pnpm-workspace.yaml', block('pnpm-file'))
    await host.install()
    expect(await host.installed()).toEqual(same)
  })
})

describe('bun', () => {
  // walk:follows nuxt-host.md bun add
  // walk:follows nuxt-host.md grep name node_modules/or3-provider-sqlite/package.json
  test.each([
    ['overrides', json('bun-overrides')],
    ['resolutions', json('bun-resolutions')],
  ])('%s replace the pins, and hold against the wizard', async (_, manifest) => {
    const host = new PinnedHost(bun, manifest)
    await host.install()
    expect(await host.installed()).toEqual(aliased)
    await host.wizard()
    expect(await host.installed()).toEqual(aliased)
    expect(await host.tells()).toContain(told)
  })

  test('an alias replaces the pins, until the wizard puts them back', async () => {
    const host = new PinnedHost(bun)
    await host.follow(block('bun-alias'))
    expect(await host.installed()).toEqual(aliased)
    await host.wizard()
    expect(await host.installed()).toEqual(upstream)
  })

  test('tarballs replace the pins without a registry', async () => {
    const host = new PinnedHost(bun, json('bun-file')).withTarballs()
    await host.install()
    expect(await host.installed()).toEqual(same)
  })
})
