import { createError, defineEventHandler } from 'h3'
import { StorageGcSchema } from '~~/shared/storage'
import { activeStorageGatewayAdapter } from '../../../storage/gateway/registry'
import { readValid, requireFeature, requirePermission } from '../../../utils/endpoint'

const retention = 2_592_000 // seconds

export default defineEventHandler(async (event) => {
  requireFeature(event, 'storage')
  const { retention_seconds = retention, ...request } = await readValid(event, StorageGcSchema, 'Invalid request')
  await requirePermission(event, 'admin.access', request.workspace_id)
  const adapter = activeStorageGatewayAdapter(event)
  if (!adapter.gc) throw createError({ statusCode: 501, statusMessage: 'GC not supported by adapter' })
  return adapter.gc(event, { ...request, retention_seconds })
})
