import { defineEventHandler, getRouterParam, readBody } from 'h3'
import { readDescribed, requireId, requireWorkspaces } from '../../utils/workspaces'

export default defineEventHandler(async (event) => {
  const { session, store } = await requireWorkspaces(event)
  const workspaceId = requireId(getRouterParam(event, 'id'))
  await store.updateWorkspace({ userId: session.user.id, workspaceId, ...readDescribed(await readBody(event)) })
  return { ok: true }
})
