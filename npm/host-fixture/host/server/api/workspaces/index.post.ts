import { defineEventHandler, readBody } from 'h3'
import { readDescribed, requireWorkspaces } from '../../utils/workspaces'

export default defineEventHandler(async (event) => {
  const { session, store } = await requireWorkspaces(event)
  const { workspaceId } = await store.createWorkspace({ userId: session.user.id, ...readDescribed(await readBody(event)) })
  return { id: workspaceId }
})
