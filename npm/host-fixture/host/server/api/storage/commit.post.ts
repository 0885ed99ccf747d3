import { defineEventHandler } from 'h3'
import { CommitSchema } from '~~/shared/storage'
import { activeStorageGatewayAdapter } from '../../storage/gateway/registry'
import { readValid, requireFeature, requirePermission } from '../../utils/endpoint'
import { limit } from '../../utils/limits'

export default defineEventHandler(async (event) => {
  requireFeature(event, 'storage')
  const file = await readValid(event, CommitSchema, 'Invalid request')
  const { user } = await requirePermission(event, 'workspace.write', file.workspace_id)
  limit(event, 'storage:commit', user.id)
  await activeStorageGatewayAdapter(event).commit?.(event, file)
  return { ok: true }
})
