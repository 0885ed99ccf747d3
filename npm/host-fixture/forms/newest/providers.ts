// Which modules of providers a host of autumn 2026 loads.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { resolveModule } from 'nuxt/kit'
import type { HostConfig } from './config'

/** These need no package. */
const withoutPackage = ['custom', 'memory', 'redis', 'postgres']

const listFile = 'or3.providers.generated.json'
const oldListFile = 'or3.providers.generated.ts'

/**
 * The modules of the providers that are chosen, and those of the list.
 *
 * @throws with all problems at once: here a build ends whose provider is not installed
 */
export function providerModules({ auth, sync, storage, limits, backgroundJobs }: HostConfig, root: string): string[] {
  if (!auth.enabled) return []
  const problems: string[] = []
  const required = [
    auth.provider,
    sync.provider, // with sync off, too: it has the workspaces
    storage.enabled && storage.provider,
    limits.enabled && limits.storageProvider,
    backgroundJobs.enabled && backgroundJobs.storageProvider,
  ].filter(id => typeof id === 'string' && !withoutPackage.includes(id)).map(id => `or3-provider-${id}/nuxt`)

  const installed = (module: string) => {
    try {
      return existsSync(resolveModule(module, { url: pathToFileURL(`${root}/`) }))
    }
    catch {
      return false
    }
  }
  for (const module of new Set(required)) {
    if (!installed(module)) problems.push(`${module} is required and not installed.`)
  }
  const further = listed(root, problems).filter((module) => {
    const there = required.includes(module) || installed(module)
    if (!there) console.warn(`[or3-config] ${module}, which ${listFile} lists, is not installed; it is left out.`)
    return there
  })
  if (problems.length > 0) {
    throw new Error(`[or3-config] Invalid application configuration:\n${problems.map(text => `- ${text}`).join('\n')}`)
  }
  return [...new Set([...required, ...further])]
}

/** What the list has. It is data: a list in TypeScript is never executed. */
function listed(root: string, problems: string[]): string[] {
  const path = join(root, listFile)
  const old = existsSync(join(root, oldListFile))
  if (!existsSync(path)) {
    if (old) problems.push(`${oldListFile} is no longer read. Move its modules to ${listFile}.`)
    return []
  }
  if (old) console.warn(`[or3-config] ${oldListFile} is ignored beside ${listFile}.`)
  try {
    const list: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (isList(list)) return [...new Set(list.modules)]
    problems.push(`${listFile} has another shape than {"schemaVersion":1,"modules":[…]}.`)
  }
  catch (error) {
    problems.push(`${listFile} cannot be read: ${String(error)}`)
  }
  return []
}

function isList(value: unknown): value is { modules: string[] } {
  return (
    typeof value === 'object' && value !== null
    && Object.keys(value).sort().join() === 'modules,schemaVersion'
    && 'schemaVersion' in value && value.schemaVersion === 1
    && 'modules' in value && Array.isArray(value.modules)
    && value.modules.every(module => typeof module === 'string' && module.trim() !== '')
  )
}
