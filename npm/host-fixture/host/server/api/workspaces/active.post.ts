import { defineEventHandler, readBody } from 'h3'
import { invalidateSession } from '../../auth/session'
import { requireId, requireWorkspaces } from '../../utils/workspaces'

export default defineEventHandler(async (event) => {
  const { session, store } = await requireWorkspaces(event)
  const workspaceId = requireId((await readBody<{ id?: unknown } | undefined>(event))?.id)
  await store.setActiveWorkspace({ userId: session.user.id, workspaceId })
  invalidateSession(session)
  return { ok: true }
})
