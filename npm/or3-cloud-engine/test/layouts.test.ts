// What is published, installed by the package managers from a registry.
import { execFile, execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { platformPackage, targetOf } from '../src/package.js'
import { folder } from './rig.js'
import { registryOf, type Registry } from './registry.js'

const home = fileURLToPath(new URL('..', import.meta.url))
const tool = (name: string): string => join(home, 'test/tools/node_modules/.bin', name)
const own = targetOf(process.platform, process.arch)
const foreign = 'darwin-arm64'
const goNames: Record<string, string> = { x64: 'amd64', arm64: 'arm64' }

interface Manager {
  command: string
  install: string[]
  lean: string[] // without optional dependencies
  isolated?: string // the folder of its isolated layout
}

const managers: Record<string, Manager> = {
  npm: { command: 'npm', install: ['install'], lean: ['install', '--omit=optional'] },
  pnpm: { command: tool('pnpm'), install: ['install'], lean: ['install', '--no-optional'], isolated: '.pnpm' },
  bun: { command: tool('bun'), install: ['install'], lean: ['install', '--omit', 'optional'], isolated: '.bun' },
}

let work: string
let registry: Registry

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'or3-release-'))
  const binaries = join(work, 'binaries')
  const out = join(work, 'packages')
  mkdirSync(binaries)
  copyFileSync(
    inject('program'),
    join(binaries, `or3-cloud-${process.platform}-${goNames[process.arch] ?? process.arch}`),
  )
  writeFileSync(join(binaries, 'or3-cloud-darwin-arm64'), 'no program of this machine')
  execFileSync(process.execPath, [join(home, 'scripts/release.mjs'), binaries, out])
  registry = await registryOf(
    [join(out, 'or3-cloud-engine'), join(out, platformPackage(own)), join(out, platformPackage(foreign))],
    work,
  )
})

afterAll(async () => {
  await registry.close()
  rmSync(work, { recursive: true, force: true })
})

/** A project that depends on the package. */
class Project {
  readonly path = realpathSync(folder())
  readonly #env: NodeJS.ProcessEnv

  constructor() {
    writeFileSync(
      join(this.path, 'package.json'),
      JSON.stringify({ name: 'host', private: true, type: 'module', dependencies: { 'or3-cloud-engine': '0.1.0' } }),
    )
    writeFileSync(join(this.path, '.npmrc'), `registry=${registry.url}/\naudit=false\nfund=false\n`)
    writeFileSync(join(this.path, 'bunfig.toml'), `[install]\nregistry = "${registry.url}/"\nlinker = "isolated"\n`)
    copyFileSync(join(home, 'test/hosts/look.mjs'), join(this.path, 'look.mjs'))
    const { npm_config_registry, ...env } = process.env
    this.#env = {
      ...env,
      npm_config_cache: join(this.path, '.cache/npm'),
      npm_config_store_dir: join(this.path, '.cache/pnpm'),
      BUN_INSTALL_CACHE_DIR: join(this.path, '.cache/bun'),
      npm_config_update_notifier: 'false',
      CI: '',
      XDG_CACHE_HOME: join(this.path, '.cache'),
    }
    for (const name of ['OR3_CLOUD_BIN', 'OR3_CLOUD_URL']) Reflect.deleteProperty(this.#env, name)
  }

  run(command: string, ...args: string[]): Promise<string> {
    return new Promise((resolve, reject) =>
      execFile(command, args, { cwd: this.path, env: this.#env }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`))
        else resolve(stdout)
      }),
    )
  }

  look(): Promise<string> {
    return this.run(process.execPath, join(this.path, 'look.mjs'), join(this.path, 'data'))
  }
}

describe.each(Object.entries(managers))('%s', (name, { command, install, lean, isolated }) => {
  test('an installed package finds and starts the program, in the layout of this package manager', async () => {
    const project = new Project()
    await project.run(command, ...install)
    if (isolated) {
      // then the project does not see what its dependency depends on
      expect(existsSync(join(project.path, 'node_modules', isolated))).toBe(true)
      expect(existsSync(join(project.path, 'node_modules', platformPackage(own)))).toBe(false)
    }
    expect(await project.look()).toBe('ready')
  })

  test('where the optional dependency is lost, the message names it, and its command brings it back', async () => {
    const project = new Project()
    await project.run(command, ...lean)
    const said = await project.look()
    expect(said).toMatch(/^not-installed: /)
    expect(said).toContain(`${platformPackage(own)} 0.1.0, an optional dependency of or3-cloud-engine`)
    const line = said
      .split('\n')
      .map(text => text.trim())
      .find(text => text.startsWith(`${name} `))
    if (!line) throw new Error(`no command for ${name}: ${said}`)
    await project.run(command, ...line.split(' ').slice(1))
    expect(await project.look()).toBe('ready')
  })
})

test('node_modules of another system are named, with both platforms and the command that helps', async () => {
  const project = new Project()
  const [os, cpu] = foreign.split('-')
  await project.run('npm', 'install', `--os=${os}`, `--cpu=${cpu}`)
  const said = await project.look()
  expect(said).toMatch(/^other-platform: /)
  expect(said).toContain(`has or3-cloud for ${foreign}, and this is ${own}`)
  const line
    = said
      .split('\n')
      .map(text => text.trim())
      .find(text => text.startsWith('npm ')) ?? ''
  await project.run('npm', ...line.split(' ').slice(1))
  expect(await project.look()).toBe('ready')
})

test('the packages are what they say: no scripts, no dependencies but the platforms\', one file each', () => {
  const read = (name: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(work, 'packages', name, 'package.json'), 'utf8')) as Record<string, unknown>
  const engine = read('or3-cloud-engine')
  expect(engine).not.toHaveProperty('scripts')
  expect(engine).not.toHaveProperty('dependencies')
  expect(engine.optionalDependencies).toEqual({ [platformPackage(own)]: '0.1.0', [platformPackage(foreign)]: '0.1.0' })
  expect(read(platformPackage(foreign))).toMatchObject({
    os: ['darwin'],
    cpu: ['arm64'],
    version: '0.1.0',
    files: ['bin'],
  })
  expect(read(platformPackage(foreign))).not.toHaveProperty('libc')
})
