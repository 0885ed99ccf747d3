export interface SyncScope {
  workspaceId: string
  projectId?: string
}

export interface ChangeStamp {
  deviceId: string
  opId: string
  hlc: string
  clock: number
}

export interface PendingOp {
  id: string
  tableName: string
  operation: 'put' | 'delete'
  pk: string
  payload?: unknown
  stamp: ChangeStamp
  createdAt: number
  attempts: number
  nextAttemptAt?: number
  status: string
}

export interface SyncChange {
  serverVersion: number
  tableName: string
  pk: string
  op: 'put' | 'delete'
  payload?: unknown
  stamp: ChangeStamp
}

export type SyncErrorCode
  = | 'VALIDATION_ERROR'
    | 'UNAUTHORIZED'
    | 'CONFLICT'
    | 'NOT_FOUND'
    | 'RATE_LIMITED'
    | 'OVERSIZED'
    | 'NETWORK_ERROR'
    | 'SERVER_ERROR'
    | 'UNKNOWN'

export interface Revision {
  clock: number
  hlc: string
  opId: string
}

export interface PushBatch {
  scope: SyncScope
  ops: PendingOp[]
}

export interface PushResult {
  results: {
    opId: string
    success: boolean
    serverVersion?: number
    error?: string
    errorCode?: SyncErrorCode
    applied?: boolean
    replayed?: boolean
    payload?: unknown
    winner?: { kind: 'put', payload: unknown, revision: Revision } | { kind: 'delete', revision: Revision, serverDeletedAt?: number }
  }[]
  serverVersion: number
}

export interface PullRequest {
  scope: SyncScope
  cursor: number
  limit: number
  tables?: string[]
}

export interface PullResponse {
  changes: SyncChange[]
  nextCursor: number
  hasMore: boolean
  oldestRetainedVersion?: number
  requiresSnapshot?: boolean
}

export interface SnapshotRequest {
  scope: SyncScope
  pageSize: number
  pageToken?: string
  tables?: string[]
}

export type SnapshotItem
  = | { kind: 'row', tableName: string, pk: string, payload: unknown, revision: Revision }
    | { kind: 'tombstone', tableName: string, pk: string, revision: Revision, serverDeletedAt: number }

export interface SnapshotResponse {
  workspaceId: string
  snapshotId: string
  highWatermark: number
  items: SnapshotItem[]
  nextPageToken: string | null
}
