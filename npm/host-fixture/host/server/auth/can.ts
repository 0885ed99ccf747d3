import { createError } from 'h3'
import type { AccessDecision, AccessResource, Permission, SessionContext, WorkspaceRole } from '~/core/hooks/hook-types'

const read: Permission[] = ['workspace.read']
const write: Permission[] = [...read, 'workspace.write']
const granted: Record<WorkspaceRole, Permission[]> = {
  viewer: read,
  editor: write,
  owner: [...write, 'workspace.settings.manage', 'users.manage', 'plugins.manage'],
}

/** can decides what a session may do. Of workspaces it may act on its active one alone. */
export function can(session: SessionContext | null, permission: Permission, resource?: AccessResource): AccessDecision {
  const { user, workspace, role } = session ?? {}
  const asked = {
    permission,
    ...(resource && { resource }),
    ...(user && { userId: user.id }),
    ...(workspace && { workspaceId: workspace.id }),
    ...(role && { role }),
  }
  if (!session?.authenticated) return { allowed: false, reason: 'unauthenticated', ...asked }
  const inRole = role !== undefined && granted[role].includes(permission)
  const asAdmin = role !== undefined && permission === 'admin.access' && session.deploymentAdmin === true
  const elsewhere = resource?.kind === 'workspace' && Boolean(resource.id) && resource.id !== workspace?.id
  if ((inRole || asAdmin) && !elsewhere) return { allowed: true, ...asked }
  return { allowed: false, reason: 'forbidden', ...asked }
}

/** @throws 401 for who is not signed in, 403 for who may not */
export function requireCan(session: SessionContext | null, permission: Permission, resource?: AccessResource): void {
  const { allowed, reason } = can(session, permission, resource)
  if (allowed) return
  throw reason === 'unauthenticated'
    ? createError({ statusCode: 401, statusMessage: 'Unauthorized' })
    : createError({ statusCode: 403, statusMessage: 'Forbidden' })
}

/** A session whose user and workspace are known. */
export type FullSession = SessionContext & Required<Pick<SessionContext, 'provider' | 'providerUserId' | 'user' | 'workspace' | 'role'>>

/** @throws 401 */
export function requireSession(session: SessionContext | null): asserts session is FullSession {
  if (!session?.authenticated || !session.user || !session.workspace) {
    throw createError({ statusCode: 401, statusMessage: 'Unauthorized' })
  }
}
