import type { WorkspaceRole } from '~/core/hooks/hook-types'

export interface Workspace {
  id: string
  name: string
  description?: string | null
  role: WorkspaceRole
  createdAt?: number
  isActive?: boolean
}

export interface InviteListItem {
  id: string
  workspaceId: string
  email: string
  role: WorkspaceRole
  status: 'pending' | 'accepted' | 'revoked' | 'expired'
  invitedByUserId: string
  expiresAt: number
  tokenHash: string
  acceptedAt?: number | null
  acceptedUserId?: string | null
  revokedAt?: number | null
  createdAt: number
  updatedAt: number
}

export type InviteRefusal = 'not_found' | 'email_mismatch' | 'already_used' | 'revoked' | 'expired'

/** Who is who, and who is where. */
export interface AuthWorkspaceStore {
  getUser?(input: { provider: string, providerUserId: string }): Promise<{ userId: string, email?: string, displayName?: string } | null>
  getOrCreateUser(input: { provider: string, providerUserId: string, email?: string, displayName?: string }): Promise<{ userId: string }>
  getOrCreateDefaultWorkspace(userId: string): Promise<{ workspaceId: string, workspaceName: string, created?: boolean }>
  getWorkspaceRole(input: { userId: string, workspaceId: string }): Promise<WorkspaceRole | null>
  listUserWorkspaces(userId: string): Promise<Workspace[]>
  createWorkspace(input: { userId: string, name: string, description?: string | null }): Promise<{ workspaceId: string }>
  updateWorkspace(input: { userId: string, workspaceId: string, name: string, description?: string | null }): Promise<void>
  removeWorkspace(input: { userId: string, workspaceId: string }): Promise<void>
  setActiveWorkspace(input: { userId: string, workspaceId: string }): Promise<void>
  createInvite?(input: {
    workspaceId: string
    email: string
    role: WorkspaceRole
    invitedByUserId: string
    expiresAt: number
    tokenHash: string
  }): Promise<{ inviteId: string }>
  listInvites?(input: { workspaceId: string, status?: InviteListItem['status'], limit?: number }): Promise<InviteListItem[]>
  revokeInvite?(input: { workspaceId: string, inviteId: string, revokedByUserId: string }): Promise<void>
  validateInvite?(input: { workspaceId: string, email: string, tokenHash: string }): Promise<
    { ok: true, role: WorkspaceRole } | { ok: false, reason: InviteRefusal }
  >
  acceptInviteAndProvisionUser?(input: {
    provider: string
    providerUserId: string
    email: string
    displayName?: string
    workspaceId: string
    tokenHash: string
  }): Promise<{ ok: true, userId: string, workspaceId: string, role: WorkspaceRole } | { ok: false, reason: InviteRefusal }>
}
