import { createError, defineEventHandler } from 'h3'
import { useRuntimeConfig } from '#imports'
import { PresignUploadSchema } from '~~/shared/storage'
import { activeStorageGatewayAdapter } from '../../storage/gateway/registry'
import { keepNothing, readValid, requireFeature, requirePermission } from '../../utils/endpoint'
import { limit } from '../../utils/limits'

const largest = 104_857_600

export default defineEventHandler(async (event) => {
  requireFeature(event, 'storage')
  keepNothing(event)
  const file = await readValid(event, PresignUploadSchema, 'Invalid request')
  const { user } = await requirePermission(event, 'workspace.write', file.workspace_id)
  limit(event, 'storage:upload', user.id)
  if (file.size_bytes > largest) throw createError({ statusCode: 413, statusMessage: `File size exceeds maximum of ${largest} bytes` })
  const mime = file.mime_type.split(';')[0]?.trim().toLowerCase() ?? ''
  if (!useRuntimeConfig(event).storage.allowedMimeTypes.includes(mime)) {
    throw createError({ statusCode: 415, statusMessage: `MIME type ${file.mime_type} not allowed` })
  }
  return activeStorageGatewayAdapter(event).presignUpload(event, {
    workspaceId: file.workspace_id,
    hash: file.hash,
    mimeType: file.mime_type,
    sizeBytes: file.size_bytes,
    ...(file.expires_in_ms !== undefined && { expiresInMs: file.expires_in_ms }),
    ...(file.disposition && { disposition: file.disposition }),
  })
})
