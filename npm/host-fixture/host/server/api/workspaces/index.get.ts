import { defineEventHandler } from 'h3'
import { requireWorkspaces } from '../../utils/workspaces'

export default defineEventHandler(async (event) => {
  const { session, store } = await requireWorkspaces(event)
  const workspaces = await store.listUserWorkspaces(session.user.id)
  return {
    workspaces: workspaces
      .map(({ id, name, description, role, createdAt, isActive }) => ({
        id,
        name,
        description: description ?? null,
        role,
        createdAt: createdAt ?? 0,
        isActive: isActive ?? id === session.workspace.id,
      }))
      .sort((a, b) => b.createdAt - a.createdAt),
  }
})
