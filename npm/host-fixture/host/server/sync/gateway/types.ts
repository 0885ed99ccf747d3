import type { H3Event } from 'h3'
import type { PullRequest, PullResponse, PushBatch, PushResult, SnapshotRequest, SnapshotResponse, SyncScope } from '~~/shared/sync/types'

export interface CanonicalStorageQuery {
  scope: SyncScope
  kind: 'live_metadata' | 'reference_edges' | 'active_reservations'
  hash?: string
  cursor?: string
  limit?: number
  now?: number
}

export type CanonicalStorageItem
  = | { kind: 'metadata', hash: string, sizeBytes: number, storageId?: string, updatedAt: number, mimeType?: string, name?: string, fileKind?: string }
    | { kind: 'reference', hash: string, sourceTable: 'messages' | 'posts', sourceId: string }
    | { kind: 'reservation', reservationId: string, hash: string, sizeBytes: number, expiresAt: number }

export interface UploadIntent {
  intentId: string
  workspaceId: string
  hash: string
  mimeType: string
  sizeBytes: number
  expiresAt: number
  workspaceQuotaBytes?: number
}

/** What of a sync provider the host's routes call. The optional members came after February 2026. */
export interface SyncGatewayAdapter {
  id: string
  capabilities?: {
    snapshotBootstrap?: 'snapshot-v1'
    historyRetention?: 'snapshot-v1'
    workspaceItems?: 'v1'
    canonicalChatHistory?: 'v1'
    backgroundGenerationHistory?: 'v1'
  }
  push(event: H3Event, input: PushBatch): Promise<PushResult>
  pull(event: H3Event, input: PullRequest): Promise<PullResponse>
  updateCursor(event: H3Event, input: { scope: SyncScope, deviceId: string, version: number }): Promise<void>
  gcTombstones?(event: H3Event, input: { scope: SyncScope, retentionSeconds: number }): Promise<unknown>
  gcChangeLog?(event: H3Event, input: { scope: SyncScope, retentionSeconds: number }): Promise<unknown>
  snapshot?(event: H3Event, input: SnapshotRequest): Promise<SnapshotResponse>
  queryCanonicalStorage?(event: H3Event, query: CanonicalStorageQuery): Promise<{ items: CanonicalStorageItem[], hasMore: boolean, nextCursor?: string }>
  reserveUploadIntent?(event: H3Event, intent: UploadIntent): Promise<unknown>
  consumeUploadIntent?(event: H3Event, intent: Omit<UploadIntent, 'expiresAt' | 'workspaceQuotaBytes'>): Promise<unknown>
  cancelUploadIntent?(event: H3Event, intent: { intentId: string, workspaceId: string }): Promise<unknown>
}
