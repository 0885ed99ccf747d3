import { createError, type H3Event } from 'h3'
import { newest } from '~~/shared/form'
import { GcRequestSchema } from '~~/shared/sync/schemas'
import { activeSyncGatewayAdapter } from '../sync/gateway/registry'
import { readValid, requireFeature, requirePermission } from './endpoint'
import { limit } from './limits'

/** Has the adapter drop what no device needs: the two endpoints differ in the method alone. */
export async function collect(event: H3Event, method: 'gcTombstones' | 'gcChangeLog', name: string): Promise<unknown> {
  requireFeature(event, 'sync')
  const request = await readValid(event, GcRequestSchema, 'Invalid GC request')
  const { user } = await requirePermission(event, 'workspace.settings.manage', request.scope.workspaceId)
  limit(event, 'sync:gc', user.id)
  const adapter = activeSyncGatewayAdapter(event)
  if (newest && !(adapter.capabilities?.snapshotBootstrap && adapter.capabilities.historyRetention)) {
    throw createError({ statusCode: 503, statusMessage: 'The sync adapter keeps no snapshots' })
  }
  if (!adapter[method]) throw createError({ statusCode: 501, statusMessage: `${name} not supported by adapter` })
  return adapter[method](event, request)
}
