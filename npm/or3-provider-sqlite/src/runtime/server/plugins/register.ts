import { defineNitroPlugin, useRuntimeConfig } from '#imports'
import { registerProviderAdminAdapter } from '~~/server/admin/providers/registry'
import { registerAdminStoreProvider } from '~~/server/admin/stores/registry'
import { registerDeploymentAdminChecker } from '~~/server/auth/deployment-admin'
import { registerAuthWorkspaceStore } from '~~/server/auth/store/registry'
import { registerSyncGatewayAdapter } from '~~/server/sync/gateway/registry'
import { registerBackgroundJobProvider } from '~~/server/utils/background-jobs/registry'
import { registerNotificationEmitter } from '~~/server/utils/notifications/registry'
import { registerRateLimitProvider } from '~~/server/utils/rate-limit/registry'
import { id, selected, type HostConfig } from '../../selection'
import { adminStores, syncAdminAdapter } from '../admin'
import { cloud } from '../cloud'
import { jobProvider } from '../jobs'
import { rateLimits } from '../limits'
import { notificationEmitter } from '../notifications'
import { syncAdapter } from '../sync'
import { deploymentAdminChecker, workspaceStore } from '../workspaces'

/**
 * Registers everything before the first await: the host reads its registries right after its plugins have run.
 */
export default defineNitroPlugin((nitroApp) => {
  const selection = selected(useRuntimeConfig() as HostConfig)
  if (!Object.values(selection).includes(true)) return

  cloud.start(nitroApp, { mode: process.env.NODE_ENV })
  if (selection.workspaces) {
    const store = workspaceStore()
    const checker = deploymentAdminChecker()
    registerAuthWorkspaceStore({ id, create: () => store })
    registerDeploymentAdminChecker(id, () => checker)
    registerAdminStoreProvider(adminStores(id))
  }
  if (selection.sync) {
    const adapter = syncAdapter(id)
    registerSyncGatewayAdapter({ id, create: () => adapter })
    registerProviderAdminAdapter(syncAdminAdapter(id))
  }
  if (selection.sync || selection.limits) registerRateLimitProvider(id, rateLimits(id))
  if (selection.sync || selection.jobs) {
    registerBackgroundJobProvider(id, jobProvider(id))
    registerNotificationEmitter(id, notificationEmitter())
  }
})
