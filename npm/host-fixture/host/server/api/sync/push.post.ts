import { createError, defineEventHandler } from 'h3'
import { newest } from '~~/shared/form'
import { PushBatchSchema, PushResultSchema, TablePayloadSchemas } from '~~/shared/sync/schemas'
import { activeSyncGatewayAdapter } from '../../sync/gateway/registry'
import { keepNothing, readValid, requireAnswer, requireFeature, requirePermission } from '../../utils/endpoint'
import { limit } from '../../utils/limits'

export default defineEventHandler(async (event) => {
  requireFeature(event, 'sync')
  keepNothing(event)
  const batch = await readValid(event, PushBatchSchema, 'Invalid push request')
  for (const { operation, tableName, payload } of batch.ops) {
    const checked = operation === 'put' ? TablePayloadSchemas[tableName]?.safeParse(payload ?? {}) : undefined
    if (checked && !checked.success) {
      throw createError({ statusCode: 400, statusMessage: `Invalid payload for ${tableName}: ${checked.error.message}` })
    }
  }
  const { user } = await requirePermission(event, 'workspace.write', batch.scope.workspaceId)
  limit(event, 'sync:push', user.id, { showBudget: true })
  const answer = await activeSyncGatewayAdapter(event).push(event, batch)
  return newest ? requireAnswer(PushResultSchema, answer, 'Invalid push response') : answer
})
