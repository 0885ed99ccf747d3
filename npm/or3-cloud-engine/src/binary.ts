// Finds the program. Everything here is synchronous, so that a host can say at once that it is missing.
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EngineProblem } from './errors.js'
import {
  installCommands,
  packageName,
  packageVersion,
  platformPackage,
  programFile,
  targetOf,
  targets,
  versionOf,
  type Target,
} from './package.js'

export interface Binary {
  path: string
  /** Where it was found, for people: a setting, a build or a package with its version. */
  from: string
}

export interface Search {
  env?: Readonly<Record<string, string | undefined>>
  platform?: string
  arch?: string
  /**
   * The file from which packages are looked for: that of this package, wherever a package manager has put it. Never the
   * working directory.
   */
  here?: string
}

/** The folder for programs in a build of the host, beside its server (build.ts). */
export const carriedFolder = 'or3-cloud-programs'
/** The file in it. */
export const carriedFile = 'carried.json'
/**
 * How far above its own file a bundled module looks for that folder: `node_modules/.nitro/NAME@VERSION/dist` and a few
 * more.
 */
const carriedDepth = 8

export interface Carried {
  version: string
  builtOn: Target
  targets: Target[]
}

/**
 * The file of a module by its URL. A server that bundles this package, as with a linked package, knows its
 * own URL only after its plugins have run (Nitro says file:///_entry.js before); then it is the script of the process.
 */
export function moduleFile(url: string, script: string | undefined): string {
  try {
    const file = fileURLToPath(url)
    if (script === undefined || statSync(file, { throwIfNoEntry: false })) return file
  }
  catch {
    // On Windows such a URL has no path.
  }
  return script ?? ''
}

/** Finds the program: OR3_CLOUD_BIN, else the one in the build, else the package for this platform. */
export function findBinary({
  env = process.env,
  platform = process.platform,
  arch = process.arch,
  here = moduleFile(import.meta.url, process.argv[1]),
}: Search = {}): Binary {
  const set = env.OR3_CLOUD_BIN?.trim()
  if (set) return { path: checkSetting(set), from: 'OR3_CLOUD_BIN' }
  const target = targetOf(platform, arch)
  const folder = findCarried(dirname(here))
  const carried = folder ? readCarried(folder) : undefined
  if (folder && carried?.targets.includes(target)) {
    return { path: join(folder, target, programFile(target)), from: `the build, ${packageName} ${carried.version}` }
  }
  const installed = findInstalled(target, here)
  if (installed) return installed
  if (!targets.includes(target)) {
    throw new EngineProblem(
      'unsupported-platform',
      `There is no or3-cloud for ${target}, only for ${targets.join(', ')}. `
      + 'Build it with Go and set OR3_CLOUD_BIN to its path, or set OR3_CLOUD_URL to an engine that runs elsewhere on '
      + 'this machine.',
    )
  }
  if (folder && carried && carried.targets.length > 0) {
    throw new EngineProblem(
      'other-platform',
      `This server was built on ${carried.builtOn} and includes or3-cloud ${carried.version} for `
      + `${carried.targets.join(', ')} (${folder}); `
      + `it runs on ${target}. On the machine that builds, install the package of `
      + `${target}:\n${foreignInstall(target)}\n`
      + `and build with OR3_CLOUD_TARGETS=${target}. Or set OR3_CLOUD_BIN here to an or3-cloud for ${target}.`,
    )
  }
  const others = targets.filter(other => findInstalled(other, here))
  if (others.length > 0) {
    throw new EngineProblem(
      'other-platform',
      `${packageName} ${packageVersion} (${dirname(here)}) has or3-cloud for ${others.join(', ')}, but this is `
      + `${target}: `
      + `node_modules comes from another system. Install it on this one:\n${installCommands(target)}`,
    )
  }
  throw new EngineProblem(
    'not-installed',
    `The program or3-cloud is missing: ${platformPackage(target)} ${packageVersion}, an optional dependency of `
    + `${packageName} (${dirname(here)}), is not installed. Optional dependencies are skipped by --omit=optional, `
    + `and are missing from a lock file that was `
    + `written on another system. Install it by one of\n${installCommands(target)}\nor set OR3_CLOUD_BIN to the `
    + `program, or OR3_CLOUD_URL to a running engine.`,
  )
}

/** The commands that install the program for another system. */
export function foreignInstall(target: Target): string {
  const [os, cpu] = target.split('-')
  return (
    `  npm install --os=${os} --cpu=${cpu} --save-optional ${platformPackage(target)}@${packageVersion}\n`
    + `  pnpm: supportedArchitectures: { os: [current, ${os}], cpu: [current, ${cpu}] } in pnpm-workspace.yaml, then `
    + `pnpm install\n`
    + `  bun install --os=${os} --cpu=${cpu}`
  )
}

function checkSetting(path: string): string {
  const absolute = resolve(path)
  const stat = statSync(absolute, { throwIfNoEntry: false })
  if (!stat)
    throw new EngineProblem(
      'bad-setting',
      `OR3_CLOUD_BIN is ${path}, but there is no such file. Correct it, or unset it to use the package ${packageName}.`,
    )
  if (!stat.isFile())
    throw new EngineProblem(
      'bad-setting',
      `OR3_CLOUD_BIN is ${path}, which is not a file. It must be the path of the program or3-cloud.`,
    )
  return absolute
}

function findCarried(start: string): string | undefined {
  let folder = start
  for (let level = 0; level < carriedDepth; level++) {
    const candidate = join(folder, carriedFolder)
    if (statSync(join(candidate, carriedFile), { throwIfNoEntry: false })) return candidate
    if (dirname(folder) === folder) break
    folder = dirname(folder)
  }
  return undefined
}

function readCarried(folder: string): Carried {
  const value: unknown = JSON.parse(readFileSync(join(folder, carriedFile), 'utf8'))
  if (
    typeof value === 'object'
    && value !== null
    && 'version' in value
    && 'builtOn' in value
    && 'targets' in value
    && Array.isArray(value.targets)
  ) {
    return {
      version: String(value.version),
      builtOn: String(value.builtOn) as Target,
      targets: value.targets.map(String) as Target[],
    }
  }
  throw new EngineProblem('not-installed', `${join(folder, carriedFile)} is damaged; build the host again`)
}

/** Looks for the package of a target as Node would for an import in this file. */
export function findInstalled(target: Target, here: string): Binary | undefined {
  const name = platformPackage(target)
  let manifest: string
  try {
    manifest = createRequire(here).resolve(`${name}/package.json`)
  }
  catch {
    return undefined
  }
  const path = join(dirname(manifest), 'bin', programFile(target))
  if (!statSync(path, { throwIfNoEntry: false })) {
    throw new EngineProblem(
      'not-installed',
      `${path} is missing from the package ${name} ${versionOf(manifest)}; a virus scanner may have removed it. `
      + `Install it again:\n${installCommands(target)}`,
    )
  }
  return { path, from: `${name} ${versionOf(manifest)}` }
}

/** What can fail, as on a file system that is mounted read-only or noexec. */
export interface ExecuteOptions {
  chmod?: (path: string, mode: number) => void
  mayExecute?: (path: string) => boolean
  /** Folders for a copy; the first that works is used. */
  caches?: string[]
}

function mayExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  }
  catch {
    return false
  }
}

/**
 * Returns a path from which the program can be executed: the file, with its execute bit restored, or a copy in a folder
 * of this user.
 *
 * @throws EngineProblem `not-executable`
 */
export function executable({ path, from }: Binary, options: ExecuteOptions = {}): string {
  const {
    chmod = chmodSync,
    caches = [
      join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'or3-cloud'),
      join(tmpdir(), `or3-cloud-${process.getuid?.() ?? 0}`),
    ],
  } = options
  const may = options.mayExecute ?? mayExecute
  if (may(path)) return path
  const tried: string[] = []
  try {
    chmod(path, statSync(path).mode | 0o111)
    if (may(path)) return path
    tried.push('it is still not executable with its execute bit set; the folder may be mounted with noexec')
  }
  catch (error) {
    tried.push(`its execute bit cannot be set (${error instanceof Error ? error.message : String(error)})`)
  }
  for (const cache of caches) {
    try {
      const copy = copyTo(cache, path, chmod)
      if (may(copy)) return copy
      tried.push(`a copy in ${cache} cannot be executed either`)
    }
    catch (error) {
      tried.push(`it cannot be copied to ${cache} (${error instanceof Error ? error.message : String(error)})`)
    }
  }
  throw new EngineProblem(
    'not-executable',
    `${path} (${from}) cannot be executed by this user: ${tried.join('; ')}. `
    + `Run chmod +x '${path}' as its owner, or copy it to a folder where programs may run and set OR3_CLOUD_BIN to `
    + `the copy.`,
  )
}

/** Copies the program into a folder that no other user can write to. Processes never see a partial copy. */
function copyTo(cache: string, path: string, chmod: (path: string, mode: number) => void): string {
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  const folder = lstatSync(cache)
  const uid = process.getuid?.()
  if (!folder.isDirectory() || (uid !== undefined && (folder.uid !== uid || (folder.mode & 0o022) !== 0)))
    throw new Error('another user may write to it')
  const { size, mtimeMs } = statSync(path)
  const copy = join(
    cache,
    `or3-cloud-${packageVersion}-${size}-${Math.trunc(mtimeMs)}${path.endsWith('.exe') ? '.exe' : ''}`,
  )
  if (statSync(copy, { throwIfNoEntry: false })?.size === size) return copy
  const draft = `${copy}.${process.pid}.${performance.now()}`
  try {
    copyFileSync(path, draft)
    chmod(draft, 0o700)
    renameSync(draft, copy)
  }
  finally {
    rmSync(draft, { force: true })
  }
  return copy
}
