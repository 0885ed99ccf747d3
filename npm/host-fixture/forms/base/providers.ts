// Which modules of providers a host of February 2026 loads.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { HostConfig } from './config'
import { or3ProviderModules } from './or3.providers.generated'

/** These need no package. */
const withoutPackage = ['custom', 'memory', 'redis', 'postgres']

/** The modules of the providers that are chosen, if they are installed, and those that the wizard has written down. */
export function providerModules({ auth, sync, storage, limits, backgroundJobs }: HostConfig, root: string): string[] {
  const ids = [
    auth.enabled && auth.provider,
    sync.enabled && sync.provider,
    storage.enabled && storage.provider,
    auth.enabled && limits.enabled && limits.storageProvider,
    backgroundJobs.enabled && backgroundJobs.storageProvider,
  ]
  const names = ids.filter(id => typeof id === 'string' && !withoutPackage.includes(id)).map(id => `or3-provider-${id}`)
  const installed = [...new Set(names)].filter((name) => {
    const there = existsSync(join(root, 'node_modules', name))
    if (!there) console.warn(`[or3-cloud] Provider package "${name}" is not installed; what it provides is off.`)
    return there
  })
  return [...new Set([...installed.map(name => `${name}/nuxt`), ...or3ProviderModules])]
}
