import type { H3Event } from 'h3'
import type { WorkspaceRole } from '~/core/hooks/hook-types'

export interface WorkspaceSummary {
  id: string
  name: string
  description?: string | null
  createdAt: number
  deleted: boolean
  deletedAt?: number | null
  ownerUserId?: string
  ownerEmail?: string
  memberCount: number
}

export interface FoundUser {
  userId: string
  email?: string
  displayName?: string
}

export interface WorkspaceAccessStore {
  listMembers(input: { workspaceId: string }): Promise<{ userId: string, email?: string, role: WorkspaceRole }[]>
  upsertMember(input: { workspaceId: string, emailOrProviderId: string, role: WorkspaceRole, provider?: string }): Promise<void>
  setMemberRole(input: { workspaceId: string, userId: string, role: WorkspaceRole }): Promise<void>
  removeMember(input: { workspaceId: string, userId: string }): Promise<void>
  listWorkspaces(input: { search?: string, includeDeleted?: boolean, page: number, perPage: number }): Promise<{
    items: WorkspaceSummary[]
    total: number
  }>
  getWorkspace(input: { workspaceId: string }): Promise<WorkspaceSummary | null>
  createWorkspace(input: { name: string, description?: string | null, ownerUserId: string }): Promise<{ workspaceId: string }>
  softDeleteWorkspace(input: { workspaceId: string, deletedAt: number }): Promise<void>
  restoreWorkspace(input: { workspaceId: string }): Promise<void>
  searchUsers(input: { query: string, limit?: number }): Promise<FoundUser[]>
}

export interface WorkspaceSettingsStore {
  get(workspaceId: string, key: string): Promise<string | null>
  set(workspaceId: string, key: string, value: string): Promise<void>
}

export interface AdminUserStore {
  listAdmins(): Promise<(FoundUser & { createdAt: number })[]>
  grantAdmin(input: { userId: string, createdByUserId?: string }): Promise<void>
  revokeAdmin(input: { userId: string }): Promise<void>
  isAdmin(input: { userId: string }): Promise<boolean>
  searchUsers(input: { query: string, limit?: number }): Promise<FoundUser[]>
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
  createWorkspaceAccessStore?(event: H3Event): WorkspaceAccessStore
  createWorkspaceSettingsStore?(event: H3Event): WorkspaceSettingsStore
  createAdminUserStore?(event: H3Event): AdminUserStore
  getCapabilities?(): AdminStoreCapabilities
}
