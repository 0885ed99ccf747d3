// What the endpoints of workspaces share.
import { createError, type H3Event } from 'h3'
import { requireCan, requireSession, type FullSession } from '../auth/can'
import { resolveSessionContext, workspaceStoreId } from '../auth/session'
import { getAuthWorkspaceStore } from '../auth/store/registry'
import type { AuthWorkspaceStore } from '../auth/store/types'
import { requireFeature } from './endpoint'

const badRequest = (text: string) => createError({ statusCode: 400, statusMessage: text })

/** Who asks, and the store that is asked. */
export async function requireWorkspaces(event: H3Event): Promise<{ session: FullSession, store: AuthWorkspaceStore }> {
  requireFeature(event)
  const session = await resolveSessionContext(event)
  requireCan(session, 'workspace.read', { kind: 'workspace', ...(session.workspace && { id: session.workspace.id }) })
  requireSession(session)
  const id = workspaceStoreId(event)
  const store = getAuthWorkspaceStore(id)
  if (!store) throw createError({ statusCode: 500, statusMessage: `No AuthWorkspaceStore is registered for ${id}` })
  return { session, store }
}

/** @throws 400 */
export function requireId(id: unknown): string {
  if (typeof id !== 'string' || !id) throw badRequest('Workspace id is required')
  return id
}

/** Name and description of a body. */
export function readDescribed(body: unknown): { name: string, description: string | null } {
  const { name, description } = (body ?? {}) as { name?: unknown, description?: unknown }
  const trimmed = typeof name === 'string' ? name.trim() : ''
  const text = typeof description === 'string' ? description.trim() : ''
  if (!trimmed) throw badRequest('Workspace name is required')
  if (trimmed.length > 100) throw badRequest('Workspace name must be under 100 characters')
  if (text.length > 1000) throw badRequest('Description must be under 1000 characters')
  return { name: trimmed, description: text || null }
}
