/**
 * The parts of the host that this package uses: `~~/…` exists only inside its build. Written from the contract
 * (host-integration §4, auth §5, sync §1.3 and §10, workspaces-and-admin §7 and §8).
 */

declare module '#imports' {
  export { defineNitroPlugin, useRuntimeConfig } from 'nitropack/runtime'
}

declare module '~~/server/auth/store/registry' {
  import type { AuthWorkspaceStore } from '~~/server/auth/store/types'

  export function registerAuthWorkspaceStore(item: { id: string, order?: number, create: () => AuthWorkspaceStore }): void
}

declare module '~~/server/auth/store/types' {
  export type Role = 'owner' | 'editor' | 'viewer'
  export type InviteStatus = 'pending' | 'accepted' | 'revoked' | 'expired'
  export type InviteRefusal = 'not_found' | 'email_mismatch' | 'already_used' | 'revoked' | 'expired'

  export interface Identity {
    provider: string
    providerUserId: string
    email?: string
    displayName?: string
  }

  /** Times are Unix seconds. */
  export interface Invite {
    id: string
    workspaceId: string
    email: string
    role: Role
    status: InviteStatus
    invitedByUserId: string | null
    tokenHash: string
    expiresAt: number
    acceptedAt: number | null
    acceptedUserId: string | null
    revokedAt: number | null
    createdAt: number
    updatedAt: number
  }

  export interface AuthWorkspaceStore {
    getUser(input: { provider: string, providerUserId: string }): Promise<{ userId: string } | null>
    getOrCreateUser(input: Identity): Promise<{ userId: string }>
    getOrCreateDefaultWorkspace(userId: string): Promise<{ workspaceId: string, workspaceName: string, created?: boolean }>
    /** null if the user is not a member. */
    getWorkspaceRole(input: { userId: string, workspaceId: string }): Promise<Role | null>
    listUserWorkspaces(userId: string): Promise<{
      id: string
      name: string
      description?: string | null
      role: Role
      createdAt?: number
      isActive?: boolean
    }[]>
    createWorkspace(input: { userId: string, name: string, description?: string | null }): Promise<{ workspaceId: string }>
    updateWorkspace(input: { userId: string, workspaceId: string, name: string, description?: string | null }): Promise<void>
    removeWorkspace(input: { userId: string, workspaceId: string }): Promise<void>
    setActiveWorkspace(input: { userId: string, workspaceId: string }): Promise<void>
    createInvite(input: {
      workspaceId: string
      email: string
      role: Role
      invitedByUserId: string
      /** In Unix seconds. */
      expiresAt: number
      tokenHash: string
    }): Promise<{ inviteId: string }>
    listInvites(input: { workspaceId: string, status?: InviteStatus, limit?: number }): Promise<Invite[]>
    revokeInvite(input: { workspaceId: string, inviteId: string, revokedByUserId: string }): Promise<void>
    validateInvite(input: { workspaceId: string, email: string, tokenHash: string }): Promise<
      { ok: true, role: Role } | { ok: false, reason: InviteRefusal }
    >
    acceptInviteAndProvisionUser(input: Identity & { workspaceId: string, tokenHash: string }): Promise<
      { ok: true, userId: string, role: Role, createdUser: boolean } | { ok: false, reason: InviteRefusal }
    >
  }
}

declare module '~~/server/auth/deployment-admin' {
  export interface DeploymentAdminChecker {
    checkDeploymentAdmin(providerUserId: string, provider: string): Promise<boolean>
  }

  export function registerDeploymentAdminChecker(id: string, create: () => DeploymentAdminChecker): void
}

declare module '~~/server/auth/session' {
  import type { H3Event } from 'h3'

  export interface SessionContext {
    authenticated: boolean
    provider?: string
    providerUserId?: string
    user?: { id: string, email?: string, displayName?: string }
    workspace?: { id: string, name: string }
    role?: 'owner' | 'editor' | 'viewer'
  }

  export function resolveSessionContext(event: H3Event): Promise<SessionContext>
}

declare module '~~/server/auth/can' {
  import type { SessionContext } from '~~/server/auth/session'

  /** Throws 401 or 403 of h3. */
  export function requireCan(session: SessionContext, permission: string, resource?: { kind: string, id?: string }): void
}

declare module '~~/server/sync/gateway/registry' {
  import type { SyncGatewayAdapter } from '~~/server/sync/gateway/types'

  export function registerSyncGatewayAdapter(item: { id: string, order?: number, create: () => SyncGatewayAdapter }): void
}

declare module '~~/server/sync/gateway/types' {
  import type { H3Event } from 'h3'
  import type { In, Out } from 'or3-cloud-engine'

  interface Scoped {
    scope: { workspaceId: string, projectId?: string }
  }

  /** The user that a background job works for. */
  export interface Actor {
    userId: string
    workspaceId: string
  }

  /** The bodies are those of the wire protocol, which the engine uses, too. */
  export interface SyncGatewayAdapter {
    id: string
    capabilities: {
      snapshotBootstrap?: string
      historyRetention?: string
      workspaceItems?: string
      backgroundGenerationHistory?: string
      canonicalChatHistory?: string
    }
    pull(event: H3Event, input: In<'sync/pull'>): Promise<Out<'sync/pull'>>
    push(event: H3Event, input: In<'sync/push'>): Promise<Out<'sync/push'>>
    snapshot(event: H3Event, input: In<'sync/snapshot'>): Promise<Out<'sync/snapshot'>>
    updateCursor(event: H3Event, input: Scoped & { deviceId: string, version: number }): Promise<void>
    gcTombstones(event: H3Event, input: Scoped & { retentionSeconds: number }): Promise<void>
    gcChangeLog(event: H3Event, input: Scoped & { retentionSeconds: number }): Promise<void>
    queryCanonicalStorage(
      event: H3Event,
      input: In<'sync/query-canonical-storage'> & { now?: number },
    ): Promise<Out<'sync/query-canonical-storage'>>
    reserveUploadIntent(event: H3Event, input: In<'sync/reserve-upload-intent'>): Promise<void>
    consumeUploadIntent(event: H3Event, input: In<'sync/consume-upload-intent'>): Promise<void>
    cancelUploadIntent(event: H3Event, input: In<'sync/cancel-upload-intent'>): Promise<void>
    readChatHistory(
      actor: Actor,
      query: In<'sync/read-chat-history'>['query'],
      signal?: AbortSignal,
    ): Promise<Out<'sync/read-chat-history'>>
    admitChatGeneration(
      actor: Actor,
      envelope: In<'sync/admit-chat-generation'>,
    ): Promise<Out<'sync/admit-chat-generation'>>
    finalizeChatGeneration(
      actor: Actor,
      input: In<'sync/finalize-chat-generation'>,
    ): Promise<Out<'sync/finalize-chat-generation'>>
    listWorkspaceIds(): Promise<string[]>
    getMaintenanceState(): Promise<Out<'sync/maintenance-state'>>
    beginMaintenanceRun(): Promise<void>
    /** In Unix milliseconds. */
    completeMaintenanceRun(input: { lastRun: number }): Promise<void>
    failMaintenanceRun(error: string): Promise<void>
  }
}

declare module '~~/server/admin/providers/registry' {
  import type { H3Event } from 'h3'
  import type { SessionContext } from '~~/server/auth/session'

  export interface ProviderAdminAdapter {
    id: string
    kind: 'auth' | 'sync' | 'storage'
    getStatus(event: H3Event, context: { enabled: boolean, provider: string }): Promise<{
      details?: Record<string, unknown>
      warnings: { level: 'warning' | 'error', message: string }[]
      actions: { id: string, label: string, description?: string, danger?: boolean }[]
    }>
    runAction(
      event: H3Event,
      actionId: string,
      payload: Record<string, unknown> | undefined,
      context: { enabled: boolean, provider: string, session: SessionContext },
    ): Promise<unknown>
  }

  export function registerProviderAdminAdapter(adapter: ProviderAdminAdapter): void
}

declare module '~~/server/admin/stores/registry' {
  import type { H3Event } from 'h3'

  type Role = 'owner' | 'editor' | 'viewer'

  interface UserInfo {
    userId: string
    email?: string
    displayName?: string
  }

  /** Times are Unix milliseconds, as the page shows them. */
  export interface WorkspaceSummary {
    id: string
    name: string
    description?: string
    createdAt: number
    deleted: boolean
    deletedAt?: number
    ownerUserId?: string
    ownerEmail?: string
    memberCount: number
  }

  export interface WorkspaceAccessStore {
    listMembers(input: { workspaceId: string }): Promise<{ userId: string, email?: string, role: Role }[]>
    upsertMember(input: { workspaceId: string, emailOrProviderId: string, role: Role, provider?: string }): Promise<void>
    setMemberRole(input: { workspaceId: string, userId: string, role: Role }): Promise<void>
    removeMember(input: { workspaceId: string, userId: string }): Promise<void>
    listWorkspaces(input: { search?: string, includeDeleted?: boolean, page: number, perPage: number }): Promise<{
      items: WorkspaceSummary[]
      total: number
    }>
    getWorkspace(input: { workspaceId: string }): Promise<WorkspaceSummary | null>
    createWorkspace(input: { name: string, description?: string, ownerUserId: string }): Promise<{ workspaceId: string }>
    softDeleteWorkspace(input: { workspaceId: string, deletedAt: number }): Promise<void>
    restoreWorkspace(input: { workspaceId: string }): Promise<void>
    searchUsers(input: { query: string, limit?: number }): Promise<UserInfo[]>
  }

  export interface WorkspaceSettingsStore {
    get(workspaceId: string, key: string): Promise<string | null>
    set(workspaceId: string, key: string, value: string): Promise<void>
  }

  export interface AdminUserStore {
    listAdmins(): Promise<(UserInfo & { createdAt: number })[]>
    grantAdmin(input: { userId: string, createdByUserId?: string }): Promise<void>
    revokeAdmin(input: { userId: string }): Promise<void>
    isAdmin(input: { userId: string }): Promise<boolean>
    searchUsers(input: { query: string, limit?: number }): Promise<UserInfo[]>
  }

  export interface AdminStoreCapabilities {
    supportsServerSideAdmin: boolean
    supportsUserSearch: boolean
    supportsWorkspaceList: boolean
    supportsWorkspaceManagement: boolean
    supportsDeploymentAdminGrants: boolean
  }

  export interface AdminStoreProvider {
    id: string
    order?: number
    createWorkspaceAccessStore(event: H3Event): WorkspaceAccessStore
    createWorkspaceSettingsStore(event: H3Event): WorkspaceSettingsStore
    createAdminUserStore(event: H3Event): AdminUserStore
    getCapabilities?(): AdminStoreCapabilities
  }

  export function registerAdminStoreProvider(provider: AdminStoreProvider): void
}

declare module '~~/server/utils/rate-limit/registry' {
  export interface Limit {
    windowMs: number
    maxRequests: number
  }

  export interface RateLimitProvider {
    readonly name: string
    checkAndRecord(key: string, limit: Limit): Promise<{ allowed: boolean, remaining: number, retryAfterMs?: number }>
    getStats(key: string, limit: Limit): Promise<{ limit: number, remaining: number, resetMs: number } | null>
  }

  export function registerRateLimitProvider(id: string, provider: RateLimitProvider): void
}

declare module '~~/server/utils/notifications/registry' {
  export interface NotificationEmitter {
    /** The id of the notification; null if none was written. */
    emitBackgroundJobComplete(workspaceId: string, userId: string, threadId: string, jobId: string): Promise<string | null>
    emitBackgroundJobError(
      workspaceId: string,
      userId: string,
      threadId: string,
      jobId: string,
      error: string,
    ): Promise<string | null>
  }

  export function registerNotificationEmitter(id: string, emitter: NotificationEmitter): void
}

declare module '~~/server/utils/background-jobs/registry' {
  import type { BackgroundJobProvider } from '~~/server/utils/background-jobs/types'

  export function registerBackgroundJobProvider(id: string, provider: BackgroundJobProvider): void
}

declare module '~~/server/utils/background-jobs/types' {
  export type HistoryPhase = 'admission_pending' | 'ready' | 'finalization_pending' | 'committed' | 'superseded' | 'blocked'

  export interface ToolCall {
    id?: string
    name: string
    status: 'loading' | 'complete' | 'error' | 'pending' | 'skipped'
    args?: string
    result?: string
    error?: string
  }

  /**
   * What another process needs to continue a chat, or the workspace of a workflow. The host encrypts the keys in
   * it.
   */
  export interface Execution {
    version: number
    workspaceId: string
    kind?: 'workflow'
    body?: Record<string, unknown>
    apiKeyCiphertext?: string
    /** The admission of the answer into the synced history. */
    history?: unknown
    /** Where a worker that takes over the job continues. */
    contentBase?: string
    reasoningBase?: string
    [more: string]: unknown
  }

  /** Times are Unix milliseconds, lengths UTF-16 code units. */
  export interface BackgroundJob {
    id: string
    userId: string
    threadId: string
    messageId: string
    model: string
    kind?: string
    status: string
    content: string
    reasoning: string
    chunksReceived: number
    startedAt: number
    completedAt?: number
    error?: string
    tool_calls?: ToolCall[]
    workflow_state?: unknown
    usage?: unknown
    generationId?: string
    historyPhase?: string
    syncProviderId?: string
    execution?: Execution
    leaseOwner?: string
    leaseExpiresAt?: number
    attempts?: number
  }

  export interface NewJob {
    userId: string
    threadId: string
    messageId: string
    model: string
    kind?: 'chat' | 'workflow'
    tool_calls?: ToolCall[]
    workflow_state?: unknown
    idempotencyKey?: string
    generationId?: string
    historyPhase?: HistoryPhase
    syncProviderId?: string
    initialContent?: string
    initialReasoning?: string
    execution?: Execution
  }

  export interface JobUpdate {
    contentChunk?: string
    reasoningChunk?: string
    chunksReceived?: number
    tool_calls?: ToolCall[]
    workflow_state?: unknown
    usage?: unknown
    leaseOwner?: string
  }

  export interface TerminalSnapshot {
    status: 'complete' | 'error' | 'aborted'
    content: string
    reasoning: string
    toolCalls?: ToolCall[]
    usage?: unknown
    error?: string
    completedAt: number
  }

  /** `*` means any user. A call with a lease that is not the caller's fails with BackgroundJobLeaseLostError. */
  export interface BackgroundJobProvider {
    readonly name: string
    createJob(params: NewJob): Promise<string>
    getJob(jobId: string, userId: string): Promise<BackgroundJob | null>
    updateJob(jobId: string, update: JobUpdate): Promise<void>
    completeJob(jobId: string, content: string, leaseOwner?: string): Promise<void>
    failJob(jobId: string, error: string, leaseOwner?: string): Promise<void>
    abortJob(jobId: string, userId: string): Promise<boolean>
    checkJobAborted(jobId: string): Promise<boolean>
    claimJob(jobId: string, leaseOwner: string, now: number, leaseExpiresAt: number): Promise<BackgroundJob | null>
    claimNextJob(leaseOwner: string, now: number, leaseExpiresAt: number): Promise<BackgroundJob | null>
    renewJobLease(jobId: string, leaseOwner: string, now: number, leaseExpiresAt: number): Promise<boolean>
    updateJobExecution(jobId: string, execution: Execution, leaseOwner: string): Promise<boolean>
    findJobByIdempotencyKey(key: string, userId: string): Promise<BackgroundJob | null>
    cancelAdmission(userId: string, admissionId: string): Promise<{ aborted: boolean, jobId?: string, pending: boolean }>
    saveTerminalSnapshot(jobId: string, snapshot: TerminalSnapshot, leaseOwner?: string): Promise<boolean>
    setHistoryPhase(jobId: string, phase: HistoryPhase, options?: { from?: HistoryPhase[] }): Promise<boolean>
    getPendingHistoryJobs(limit: number): Promise<BackgroundJob[]>
    cleanupExpired(): Promise<number>
    getActiveJobCount(): Promise<number>
  }
}
