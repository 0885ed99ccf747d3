// Makes a release of this repository, once for all tests: every package that is published, in a registry.
// OR3_TEST_PROGRAM names a program that is built already; then the packages are, too.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { registryOf } from './registry.js'

declare module 'vitest' {
  export interface ProvidedContext {
    release: Release
  }
}

export interface Release {
  /** The version that all packages have. */
  version: string
  /** This machine, by Node's names. */
  own: string
  /** Another system, whose program is none. */
  foreign: string
  /** The folder with a folder for each package. */
  packages: string
  /** The tarball of each package, by its name. */
  tarballs: Record<string, string>
  /** The registry that has them, and passes on what it has not. */
  registry: string
  /** The same without ours. */
  npmjs: string
  /** Caches of the package managers, shared by all tests. */
  caches: string
}

export const providers = ['or3-provider-basic-auth', 'or3-provider-sqlite', 'or3-provider-fs'] as const
/** The versions that the newest host pins. */
export const pins: Record<(typeof providers)[number], string> = {
  'or3-provider-basic-auth': '0.0.9',
  'or3-provider-sqlite': '0.0.10',
  'or3-provider-fs': '0.0.7',
}

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const goNames: Record<string, string> = { x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'armv7' }

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const work = mkdtempSync(join(tmpdir(), 'or3-release-'))
  const [binaries, packages, upstream] = ['binaries', 'packages', 'upstream'].map(name => join(work, name)) as [
    string,
    string,
    string,
  ]
  mkdirSync(binaries)
  const own = `${process.platform}-${process.arch}`
  const program = join(binaries, `or3-cloud-${process.platform}-${goNames[process.arch] ?? process.arch}`)
  const built = process.env.OR3_TEST_PROGRAM
  if (built) copyFileSync(built, program)
  else {
    const npm = (...args: string[]): void =>
      void execFileSync('npm', ['run', '--silent', ...args], { cwd: join(repository, 'npm'), stdio: 'inherit' })
    npm('build', '--workspace', 'or3-cloud-engine') // the others import it
    npm('build', ...['or3-cloud-client', ...providers].flatMap(name => ['--workspace', name]))
    execFileSync('go', ['build', '-o', program, './cmd/or3-cloud'], { cwd: repository, stdio: 'inherit' })
  }
  writeFileSync(join(binaries, 'or3-cloud-darwin-arm64'), 'no program of this machine')
  execFileSync(process.execPath, [join(repository, 'npm/or3-cloud-engine/scripts/release.mjs'), binaries, packages])
  for (const name of providers) writeUpstream(join(upstream, name), name, pins[name])

  const names = ['or3-cloud-engine', 'or3-cloud-client', `@or3-cloud/${own}`, '@or3-cloud/darwin-arm64']
  for (const name of providers) names.push(name, `@or3-cloud/${name}`)
  const registry = await registryOf(
    names.map(name => join(packages, name)),
    providers.map(name => join(upstream, name)),
    work,
  )
  mkdirSync(join(work, 'caches'))
  provide('release', {
    version: registry.versions['or3-cloud-engine'] ?? '',
    own,
    foreign: 'darwin-arm64',
    packages,
    tarballs: registry.tarballs,
    registry: registry.url,
    npmjs: `${registry.url}/npmjs`,
    caches: join(work, 'caches'),
  })
  return async () => {
    await registry.close()
    await rm(work, { recursive: true, force: true })
  }
}

/** A package of the same name that is not ours: a module that says so. */
function writeUpstream(folder: string, name: string, version: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name, version, type: 'module', exports: { '.': './module.mjs', './nuxt': './module.mjs' } }),
  )
  writeFileSync(
    join(folder, 'module.mjs'),
    `export default function () { console.log(${JSON.stringify(`this is upstream's ${name} ${version}`)}) }\n`,
  )
}
