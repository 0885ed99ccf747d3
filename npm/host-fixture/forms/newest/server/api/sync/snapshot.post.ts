import { createError, defineEventHandler } from 'h3'
import { SnapshotRequestSchema, SnapshotResponseSchema } from '~~/shared/sync/schemas'
import { activeSyncGatewayAdapter } from '../../sync/gateway/registry'
import { keepNothing, readValid, requireAnswer, requireFeature, requirePermission } from '../../utils/endpoint'
import { limit } from '../../utils/limits'

export default defineEventHandler(async (event) => {
  requireFeature(event, 'sync')
  keepNothing(event)
  const request = await readValid(event, SnapshotRequestSchema, 'Invalid snapshot request')
  const { user } = await requirePermission(event, 'workspace.read', request.scope.workspaceId)
  limit(event, 'sync:snapshot', user.id)
  const answer = await activeSyncGatewayAdapter(event).snapshot?.(event, request)
  if (!answer) throw createError({ statusCode: 503, statusMessage: 'Snapshot bootstrap unavailable for active sync adapter' })
  return requireAnswer(SnapshotResponseSchema, answer, 'Invalid snapshot response')
})
