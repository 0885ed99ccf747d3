import { createError, defineEventHandler, type H3Event } from 'h3'
import { newest } from '~~/shared/form'
import { PresignDownloadSchema, shownTypes } from '~~/shared/storage'
import { activeStorageGatewayAdapter } from '../../storage/gateway/registry'
import { activeSyncGatewayAdapter } from '../../sync/gateway/registry'
import { keepNothing, readValid, requireFeature, requirePermission } from '../../utils/endpoint'
import { limit } from '../../utils/limits'
import { resolvePresignExpiresAt } from '../../utils/storage/presign-expiry'

export default defineEventHandler(async (event) => {
  requireFeature(event, 'storage')
  keepNothing(event)
  const file = await readValid(event, PresignDownloadSchema, 'Invalid request')
  const { user } = await requirePermission(event, 'workspace.read', file.workspace_id)
  limit(event, 'storage:download', user.id)
  const policy = newest
    ? await policyOf(event, file)
    : { ...(file.storage_id && { storageId: file.storage_id }), ...(file.disposition && { disposition: file.disposition }) }
  const presigned = await activeStorageGatewayAdapter(event).presignDownload(event, {
    workspaceId: file.workspace_id,
    hash: file.hash,
    ...(file.expires_in_ms !== undefined && { expiresInMs: file.expires_in_ms }),
    ...policy,
  })
  return {
    ...presigned,
    expiresAt: resolvePresignExpiresAt(presigned.expiresAt),
    ...(newest && { disposition: policy.disposition }),
  }
})

type Download = { workspace_id: string, hash: string, disposition?: 'inline' | 'attachment' }

/** The newest host asks the sync adapter which file that is, and how it may be shown. */
async function policyOf(event: H3Event, { workspace_id, hash, disposition = 'inline' }: Download) {
  const query = { scope: { workspaceId: workspace_id }, kind: 'live_metadata' as const, hash, limit: 1 }
  const found = await activeSyncGatewayAdapter(event).queryCanonicalStorage?.(event, query)
  if (!found) throw createError({ statusCode: 503, statusMessage: 'Storage authorization is not available' })
  const [row] = found.items
  if (row?.kind !== 'metadata' || !row.storageId) throw createError({ statusCode: 404, statusMessage: 'File not found' })
  const shown = row.mimeType !== undefined && shownTypes.includes(row.mimeType)
  return {
    storageId: row.storageId,
    mimeType: shown ? row.mimeType : 'application/octet-stream',
    disposition: shown ? disposition : 'attachment' as const,
    filename: row.name?.replace(/[\u0000-\u001f\u007f/\\]/g, '').slice(0, 180) || 'download',
  }
}
