// The engine's package as it is published, installed by the package managers from a registry.
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { bun, managers, npm, Project } from './managers.js'

const { own, foreign, version, packages } = inject('release')
const platform = `@or3-cloud/${own}`

/** A project that depends on the package. */
class Looking extends Project {
  constructor() {
    super({ dependencies: { 'or3-cloud-engine': version } })
    copyFileSync(
      fileURLToPath(new URL('../../or3-cloud-engine/test/hosts/look.mjs', import.meta.url)),
      join(this.path, 'look.mjs'),
    )
  }

  look(): Promise<string> {
    return this.run(process.execPath, [join(this.path, 'look.mjs'), join(this.path, 'data')])
  }
}

/** The command for a package manager that a message names. */
function commandIn(said: string, name: string): string[] {
  const line = said
    .split('\n')
    .map(text => text.trim())
    .find(text => text.startsWith(`${name} `))
  if (!line) throw new Error(`no command for ${name}: ${said}`)
  return line.split(' ').slice(1)
}

describe.each(managers)('$name', ({ name, command, install, lean, isolated }) => {
  test('an installed package finds and starts the program, in the layout of this package manager', async () => {
    const project = new Looking()
    await project.run(command, install)
    if (isolated) {
      // then the project does not see what its dependency depends on
      expect(existsSync(join(project.path, 'node_modules', isolated))).toBe(true)
      expect(existsSync(join(project.path, 'node_modules', platform))).toBe(false)
    }
    expect(await project.look()).toBe('ready')
  })

  test('where the optional dependency is lost, the message names it, and its command brings it back', async () => {
    const project = new Looking()
    await project.run(command, lean)
    const said = await project.look()
    expect(said).toMatch(/^not-installed: /)
    expect(said).toContain(`${platform} ${version}, an optional dependency of or3-cloud-engine`)
    await project.run(command, commandIn(said, name))
    expect(await project.look()).toBe('ready')
  })
})

test('node_modules of another system are named, with both platforms and the command that helps', async () => {
  const project = new Looking()
  const [os, cpu] = foreign.split('-')
  await project.run(npm.command, [...npm.install, `--os=${os}`, `--cpu=${cpu}`])
  const said = await project.look()
  expect(said).toMatch(/^other-platform: /)
  expect(said).toContain(`has or3-cloud for ${foreign}, but this is ${own}`)
  await project.run(npm.command, commandIn(said, 'npm'))
  expect(await project.look()).toBe('ready')
})

// walk:follows nuxt-host.md npm install --os=linux --cpu=x64 --save-optional @or3-cloud/linux-x64@0.1.0
// walk:follows nuxt-host.md bun install --os=linux --cpu=x64
test.each([npm, bun])('with $name the program of another system comes along for a build', async ({ name, command }) => {
  const project = new Looking()
  const [os, cpu] = foreign.split('-')
  const system = [`--os=${os}`, `--cpu=${cpu}`]
  await project.run(command, ['install', ...system, ...(name === 'npm' ? ['--save-optional', `@or3-cloud/${foreign}@${version}`] : [])])
  const folder = name === 'npm' ? 'node_modules' : `node_modules/.bun/@or3-cloud+${foreign}@${version}/node_modules`
  expect(readFileSync(join(project.path, folder, `@or3-cloud/${foreign}/bin/or3-cloud`), 'utf8')).toBe('no program of this machine')
})

test('the packages are what they say: no scripts, no dependencies but the platforms\', one file each', () => {
  const read = (name: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8')) as Record<string, unknown>
  const engine = read('or3-cloud-engine')
  expect(engine).not.toHaveProperty('scripts')
  expect(engine).not.toHaveProperty('dependencies')
  expect(engine.optionalDependencies).toEqual({ [platform]: version, [`@or3-cloud/${foreign}`]: version })
  expect(read(`@or3-cloud/${foreign}`)).toMatchObject({ os: ['darwin'], cpu: ['arm64'], version, files: ['bin'] })
  expect(read(`@or3-cloud/${foreign}`)).not.toHaveProperty('libc')
})
