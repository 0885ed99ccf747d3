import { readFileSync } from 'node:fs'
import { EngineProblem } from './errors.js'

/** This package, for messages. */
export const packageName = 'or3-cloud-engine'

/**
 * Its version, which is also that of the platform packages. A bundler may have moved this module away from the package,
 * so the version is written here too.
 */
export const packageVersion = '0.1.0'

/** A platform in Node's terms: `process.platform` and `process.arch`. */
export type Target = `${string}-${string}`

/** The platforms that have a program, in Node's terms. */
export const targets: readonly Target[] = [
  'linux-x64',
  'linux-arm64',
  'linux-arm',
  'linux-ia32',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64',
  'freebsd-x64',
  'freebsd-arm64',
]

export function targetOf(platform: string, arch: string): Target {
  return `${platform}-${arch}`
}

/** The npm package with the program for a target. */
export function platformPackage(target: Target): string {
  return `@or3-cloud/${target}`
}

/** The file in it. */
export function programFile(target: Target): string {
  return target.startsWith('win32-') ? 'or3-cloud.exe' : 'or3-cloud'
}

/** The commands that install the package of a target where this one finds it. */
export function installCommands(target: Target, version = packageVersion): string {
  const wanted = `${platformPackage(target)}@${version}`
  return `  npm install --save-optional ${wanted}\n  pnpm add --save-optional ${wanted}\n  bun add --optional ${wanted}`
}

export function versionOf(packageJSON: string): string {
  const value: unknown = JSON.parse(readFileSync(packageJSON, 'utf8'))
  if (typeof value === 'object' && value !== null && 'version' in value && typeof value.version === 'string')
    return value.version
  throw new EngineProblem('not-installed', `${packageJSON} has no version; install its package again`)
}
