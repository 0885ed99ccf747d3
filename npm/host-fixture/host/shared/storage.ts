// The bodies of the storage endpoints.
import { z } from 'zod'

const id = z.string().trim().min(1).max(256)
const disposition = z.enum(['inline', 'attachment']).optional()
const expires_in_ms = z.int().min(1).max(86_400_000).optional()

export const PresignUploadSchema = z.object({
  workspace_id: id,
  hash: id,
  mime_type: z.string().trim().min(1).max(255),
  size_bytes: z.int().min(0),
  expires_in_ms,
  disposition,
})

export const PresignDownloadSchema = z.object({
  workspace_id: id,
  hash: id,
  storage_id: z.string().optional(),
  expires_in_ms,
  disposition,
})

export const CommitSchema = z.object({
  workspace_id: id,
  hash: id,
  storage_id: z.string(),
  storage_provider_id: z.string(),
  mime_type: z.string(),
  size_bytes: z.number(),
  name: z.string(),
  kind: z.enum(['image', 'pdf', 'file']),
  width: z.number().optional(),
  height: z.number().optional(),
  page_count: z.number().optional(),
  intent_id: z.string().optional(),
})

export const StorageGcSchema = z.object({
  workspace_id: id,
  retention_seconds: z.number().optional(),
  limit: z.number().optional(),
})

/** These are shown in the browser; everything else is downloaded. */
export const shownTypes = ['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'application/pdf']
