/** The responses of the admin endpoints. Times are ISO strings unless noted otherwise. */

export interface Account {
  id: string
  email: string
  displayName?: string
  createdAt: string
  disabled: boolean
  secondFactor: boolean
  passkeysElsewhere?: number
  sessions: number
  secondFactorDue?: string
}

export interface Session {
  id: string
  createdAt: string
  lastSeenAt: string
  expiresAt: string
  ipAddress?: string
  userAgent?: string
}

export interface SignedInSession extends Session {
  accountId: string
  email: string
  displayName?: string
}

export interface AccountDetails {
  account: Account
  userId?: string
  admin: boolean
  sessions: Session[]
  workspaces: { id: string, name: string, role: Role }[]
}

export type Role = 'owner' | 'editor' | 'viewer'

export interface Deletion {
  account: Account
  workspaces: { id: string, name: string, members: number, fate: 'deleted' | 'left' | 'blocked', filesKeptUntil?: string, stored?: { files: number, bytes: number } }[]
}

export interface AdminUser {
  userId: string
  email?: string
  displayName?: string
  /** Unix milliseconds. */
  createdAt: number
}

export interface WeighedWorkspace {
  id: string
  name: string
  createdAt: string
  members: number
  owner?: string
  ownerUserId?: string
  description?: string
  deletedAt?: string
  files: number
  fileBytes: number
  logBytes: number
}

export interface WorkspaceDetails {
  id: string
  name: string
  description?: string
  /** Unix milliseconds, as is deletedAt. */
  createdAt: number
  deleted: boolean
  deletedAt?: number
  ownerUserId?: string
  ownerEmail?: string
  memberCount: number
  members: { userId: string, email?: string, role: Role }[]
  storage?: { bytes: number, files: number, reservedBytes: number, reservedFiles: number }
}

export interface WorkspaceSync {
  version: number
  logBytes: number
  logQuota?: number
  devices: { deviceId: string, userId?: string, email?: string, version: number, behind: number, seenAt: string, forgotten?: boolean }[]
}

export interface Stored {
  stored: Partial<Record<'live' | 'orphaned' | 'trash' | 'temporary' | 'stray', { items: number, bytes: number }>>
  going: number
}

export interface Invite {
  id: string
  email: string
  role: Role
  status: 'pending' | 'accepted' | 'revoked' | 'expired'
  /** Unix seconds, as is expiresAt. */
  createdAt: number
  expiresAt: number
}

export interface Totals {
  accounts?: { accounts: number, disabled: number, signedIn: number, sessions: number }
  workspaces?: { workspaces: number, deleted: number, files: number, fileBytes: number, logBytes: number }
  mail?: { configured: boolean, waiting: number, failing: boolean, lost: number }
}

export type ProviderKind = 'auth' | 'sync' | 'storage'

export interface ProviderAction {
  id: string
  label: string
  description?: string
  danger?: boolean
  confirmation?: string
  workspace?: boolean
}

export interface Warning { level: 'warning' | 'error', message: string }

export interface ProviderStatus {
  enabled: boolean
  provider: string
  details?: Record<string, unknown>
  warnings: Warning[]
  actions: ProviderAction[]
  database?: { state: 'unchecked' | 'sound' | 'damaged', lastPass?: number, pages?: number, faults?: number, damagedWorkspaces?: number, restoredAt?: number }
  files?: {
    enabled: boolean, state: 'idle' | 'running' | 'failed', lastPass?: number, lastPassFiles?: number, lastPassBytes?: number, passStarted?: number
    checkedFiles: number, checkedBytes: number, damaged: number, lastError?: string
  }
  capabilities: Record<string, boolean>
}

export interface JobCounts { running: number, waiting: number, complete: number, failed: number, aborted: number }

export interface Run {
  kind: ProviderKind
  actionId: string
  workspaceId?: string
  startedAt: string
  endedAt?: string
  progress?: unknown
  result?: unknown
  error?: string
}

export interface SystemStatus {
  status: Record<ProviderKind, ProviderStatus> & {
    backgroundStreaming: { enabled: boolean, storageProvider: string, jobs?: JobCounts }
    admin: { allowRestart: boolean, allowRebuild: boolean, restartRefused?: { at: string, reason: string } }
  }
  warnings: Warning[]
  runs: Run[]
}

export interface Job {
  id: string
  kind: 'chat' | 'workflow'
  status: 'streaming' | 'complete' | 'error' | 'aborted'
  waiting?: boolean
  userId: string
  email?: string
  workspaceId?: string
  threadId?: string
  model?: string
  attempts: number
  startedAt: string
  completedAt?: string
  cause?: string
  history?: string
}

export interface MailFault { at: string, step?: string, code?: number, fault: string, advice?: string }

export interface MailState {
  configured: boolean
  server?: string
  from?: string
  waitingCount: number
  waiting: { id: number, kind: string, accountId?: string, email?: string, createdAt: string, expiresAt: string, attempts: number, nextAt: string, fault?: MailFault }[]
  lost: { id: number, kind: string, accountId?: string, email?: string, createdAt: string, lostAt: string, attempts: number, reason: 'refused' | 'expired', fault?: MailFault }[]
}

export interface Setting {
  key: string
  value: string | null
  masked: boolean
  label: string
  description: string
  group: string
  order: number
  valueType: string
  origin: string
  used: boolean
  default?: string
  example?: string
  options?: string[]
}

export interface AuditEntry {
  at: string
  actor: { kind: 'super_admin' | 'deployment_admin' | 'user' | 'anonymous' | 'operator', id?: string, name?: string }
  action: string
  target: { workspaceId?: string, userId?: string, settings?: string[] | null, object?: string }
  refusal?: string
  address?: string
  requestId?: string
  times?: number
}

export interface Module { name: string, version: string, license?: string }

export interface About {
  version: string
  commit?: string
  commitTime?: string
  modified?: boolean
  go: string
  platform: string
  providers: string[]
  tags: string[]
  modules: Module[]
}

export interface Load {
  version: string
  started: string
  points: { at: string, requests: number, faults: number, ops: number, p95: number, memoryBytes: number, listeners: number }[]
  disk?: { state: 'ok' | 'low' | 'full', freeBytes: number, sizeBytes: number, headroomBytes: number }
}

export interface LogLine { time: string, level: string, msg: string, [name: string]: unknown }
