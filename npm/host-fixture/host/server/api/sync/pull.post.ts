import { defineEventHandler } from 'h3'
import { newest } from '~~/shared/form'
import { PullRequestSchema, PullResponseSchema } from '~~/shared/sync/schemas'
import { activeSyncGatewayAdapter } from '../../sync/gateway/registry'
import { keepNothing, readValid, requireAnswer, requireFeature, requirePermission } from '../../utils/endpoint'
import { limit } from '../../utils/limits'

export default defineEventHandler(async (event) => {
  requireFeature(event, 'sync')
  keepNothing(event)
  const request = await readValid(event, PullRequestSchema, 'Invalid pull request')
  const { user } = await requirePermission(event, 'workspace.read', request.scope.workspaceId)
  limit(event, 'sync:pull', user.id, { showBudget: true })
  const answer = await activeSyncGatewayAdapter(event).pull(event, request)
  return newest ? requireAnswer(PullResponseSchema, answer, 'Invalid pull response') : answer
})
