import { defineEventHandler, getRouterParam } from 'h3'
import { invalidateSession } from '../../auth/session'
import { requireId, requireWorkspaces } from '../../utils/workspaces'

export default defineEventHandler(async (event) => {
  const { session, store } = await requireWorkspaces(event)
  await store.removeWorkspace({ userId: session.user.id, workspaceId: requireId(getRouterParam(event, 'id')) })
  invalidateSession(session)
  return { ok: true }
})
