import { defineEventHandler } from 'h3'
import { CursorRequestSchema } from '~~/shared/sync/schemas'
import { activeSyncGatewayAdapter } from '../../sync/gateway/registry'
import { readValid, requireFeature, requirePermission } from '../../utils/endpoint'
import { limit } from '../../utils/limits'

export default defineEventHandler(async (event) => {
  requireFeature(event, 'sync')
  const cursor = await readValid(event, CursorRequestSchema, 'Invalid cursor request')
  const { user } = await requirePermission(event, 'workspace.read', cursor.scope.workspaceId)
  limit(event, 'sync:cursor', user.id, { showBudget: true })
  await activeSyncGatewayAdapter(event).updateCursor(event, cursor)
  return { ok: true }
})
