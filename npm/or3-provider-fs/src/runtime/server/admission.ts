import type { H3Event } from 'h3'
import { requireCan } from '~~/server/auth/can'
import { resolveSessionContext } from '~~/server/auth/session'
import type { HostSession } from 'or3-cloud-engine/nitro'

export type Permission = 'workspace.read' | 'workspace.write'

/**
 * Asks the host whether a request may do something in a workspace, including the host's hook filters.
 *
 * @throws the host's 401 or 403
 */
export async function admit(event: H3Event, permission: Permission, workspaceId: string): Promise<HostSession> {
  const session = await resolveSessionContext(event)
  requireCan(session, permission, { kind: 'workspace', id: workspaceId })
  return session
}
