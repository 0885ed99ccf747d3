// What a module does while the host is built: Nitro does not trace a file that is only executed, so it is copied
// along.
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { carriedFile, carriedFolder, findInstalled, foreignInstall, type Carried } from './binary.js'
import { EngineProblem } from './errors.js'
import {
  installCommands,
  packageVersion,
  platformPackage,
  programFile,
  targetOf,
  targets,
  type Target,
} from './package.js'

/** The part of Nitro 2 that is needed. */
export interface NitroLike {
  options: { dev: boolean, preset: string, static?: boolean, output: { serverDir: string } }
  hooks: { hook: (name: 'compiled', run: () => void) => unknown }
}

/** Presets whose server is a Node process that may start another one. */
const nodePresets = new Set([
  'node',
  'node-server',
  'node-cluster',
  'node-middleware',
  'node-listener',
  'nitro-dev',
  'nitro-prerender',
])

export interface CarryOptions {
  env?: Readonly<Record<string, string | undefined>>
  /** The file from which packages are looked for. */
  here?: string
}

/**
 * Copies the program into the build: `.output/server/or3-cloud-programs`. The targets are those of OR3_CLOUD_TARGETS,
 * such as `linux-x64,linux-arm64`, or else this machine.
 *
 * @throws EngineProblem for presets that cannot start a program, and for targets that are named and not installed
 */
export function carryEngine(
  nitro: NitroLike,
  { env = process.env, here = fileURLToPath(import.meta.url) }: CarryOptions = {},
): void {
  const { dev, preset, output } = nitro.options
  if (dev || nitro.options.static) return // there is no server to copy it to
  if (!nodePresets.has(preset.replaceAll('_', '-'))) {
    throw new EngineProblem(
      'unsupported-platform',
      `The Nitro preset ${preset} is not supported: or3-cloud runs beside a Node server. Build with `
      + `NITRO_PRESET=node-server, or use other providers`,
    )
  }
  const own = targetOf(process.platform, process.arch)
  const named = (env.OR3_CLOUD_TARGETS ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(Boolean) as Target[]
  const unknown = named.filter(target => !targets.includes(target))
  if (unknown.length > 0)
    throw new EngineProblem(
      'bad-setting',
      `OR3_CLOUD_TARGETS names ${unknown.join(', ')}; there are ${targets.join(', ')}`,
    )
  const programs = (named.length > 0 ? named : [own]).map(target => ({ target, program: findInstalled(target, here) }))
  for (const { target, program } of programs) {
    if (!program && named.length > 0) {
      throw new EngineProblem(
        'not-installed',
        `OR3_CLOUD_TARGETS names ${target}, but ${platformPackage(target)} ${packageVersion} is not installed. `
        + `Install it:\n`
        + (target === own ? installCommands(target) : foreignInstall(target)),
      )
    }
  }
  nitro.hooks.hook('compiled', () => {
    const folder = join(output.serverDir, carriedFolder)
    rmSync(folder, { recursive: true, force: true })
    const carried: Carried = { version: packageVersion, builtOn: own, targets: [] }
    for (const { target, program } of programs) {
      if (!program) continue // the host may be given OR3_CLOUD_BIN or OR3_CLOUD_URL where it runs
      const file = join(folder, target, programFile(target))
      mkdirSync(dirname(file), { recursive: true })
      copyFileSync(program.path, file)
      chmodSync(file, 0o755)
      carried.targets.push(target)
    }
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, carriedFile), JSON.stringify(carried))
  })
}
