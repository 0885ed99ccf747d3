export type WorkspaceRole = 'owner' | 'editor' | 'viewer'

export type Permission
  = | 'workspace.read'
    | 'workspace.write'
    | 'workspace.settings.manage'
    | 'users.manage'
    | 'plugins.manage'
    | 'admin.access'

export interface SessionContext {
  authenticated: boolean
  provider?: string
  providerUserId?: string
  user?: { id: string, email?: string, displayName?: string }
  workspace?: { id: string, name: string }
  role?: WorkspaceRole
  /** A date as ISO 8601 writes it. */
  expiresAt?: string
  deploymentAdmin?: boolean
  authorizationRevision?: number
}

export interface AccessResource {
  kind: string
  id?: string
}

export interface AccessDecision {
  allowed: boolean
  permission: Permission
  resource?: AccessResource
  reason?: 'unauthenticated' | 'forbidden' | 'unknown-permission'
  userId?: string
  workspaceId?: string
  role?: WorkspaceRole
}
