import type { H3Event } from 'h3'

export interface Presigned {
  url: string
  /** In milliseconds. */
  expiresAt?: number
  headers?: Record<string, string>
  method?: string
  storageId?: string
  intentId?: string
}

export interface PresignUpload {
  workspaceId: string
  hash: string
  mimeType: string
  sizeBytes: number
  expiresInMs?: number
  disposition?: 'inline' | 'attachment'
  workspaceQuotaBytes?: number
}

export interface PresignDownload {
  workspaceId: string
  hash: string
  storageId?: string
  expiresInMs?: number
  disposition?: 'inline' | 'attachment'
  /** The last three bind the adapter where the newest host gives them. */
  mimeType?: string
  filename?: string
}

export interface CommitInput {
  workspace_id: string
  hash: string
  storage_id: string
  storage_provider_id: string
  mime_type: string
  size_bytes: number
  name: string
  kind: string
  width?: number
  height?: number
  page_count?: number
  intent_id?: string
}

/** What of a storage provider the host's routes call. */
export interface StorageGatewayAdapter {
  presignUpload(event: H3Event, input: PresignUpload): Promise<Presigned>
  presignDownload(event: H3Event, input: PresignDownload): Promise<Presigned>
  commit?(event: H3Event, input: CommitInput): Promise<void>
  gc?(event: H3Event, input: { workspace_id: string, retention_seconds: number, limit?: number }): Promise<unknown>
  deleteObject?(event: H3Event, input: { workspaceId: string, hash: string, storageId?: string }): Promise<void>
}
