// In strict mode a server whose providers are not all registered does not start. It is the last of the plugins, and it
// looks at once: what registers after its first await comes too late.
import { defineNitroPlugin, useRuntimeConfig } from '#imports'
import { newest } from '~~/shared/form'
import { hasAuthProvider } from '../auth/registry'
import { hasAuthWorkspaceStore } from '../auth/store/registry'
import { hasStorageGatewayAdapter } from '../storage/gateway/registry'
import { hasSyncGatewayAdapter } from '../sync/gateway/registry'
import { hasBackgroundJobProvider } from '../utils/background-jobs/registry'

const advice = (id: string) => `Install the provider package that registers it (e.g. or3-provider-${id}).`

export default defineNitroPlugin(() => {
  if (process.env.NODE_ENV !== 'production' && process.env.OR3_STRICT_CONFIG !== 'true') return
  const { auth, sync, storage, backgroundJobs } = useRuntimeConfig()
  if (!auth.enabled) return
  const demanded: [demanded: boolean, registered: boolean, what: string, id: string][] = [
    [true, hasAuthProvider(auth.provider), 'auth.provider', auth.provider],
    [sync.enabled, hasSyncGatewayAdapter(sync.provider), 'sync.provider', sync.provider],
    [sync.enabled || newest, hasAuthWorkspaceStore(sync.provider), 'AuthWorkspaceStore for', sync.provider],
    [storage.enabled, hasStorageGatewayAdapter(storage.provider), 'storage.provider', storage.provider],
    [
      newest && backgroundJobs.enabled && backgroundJobs.storageProvider !== 'memory',
      hasBackgroundJobProvider(backgroundJobs.storageProvider),
      'backgroundJobs.storageProvider',
      backgroundJobs.storageProvider,
    ],
  ]
  const problems = demanded
    .filter(([isDemanded, isRegistered]) => isDemanded && !isRegistered)
    .map(([,, what, id]) => `- ${what} "${id}" is not registered. ${advice(id)}`)
  if (problems.length > 0) {
    throw new Error(`[or3-cloud-config] Provider registration validation failed:\n${problems.join('\n')}`)
  }
})
