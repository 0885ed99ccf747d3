import { createError, defineEventHandler, getHeader, getQuery } from 'h3'
import { requireCan } from '~~/server/auth/can'
import { resolveSessionContext } from '~~/server/auth/session'
import { useRuntimeConfig } from '#imports'
import { cloud } from '../cloud'

/**
 * GET /api/sync/events: the version of a workspace, at once and whenever it changes. The host decides who may read; the
 * engine checks the membership every second, and ends the stream when it ends.
 */
export default defineEventHandler(async (event) => {
  if (isForeign(getHeader(event, 'sec-fetch-site'), getHeader(event, 'origin'))) {
    throw createError({ statusCode: 403, statusMessage: 'Forbidden' })
  }
  const { workspaceId } = getQuery(event)
  if (typeof workspaceId !== 'string' || !workspaceId.trim()) {
    throw createError({ statusCode: 400, statusMessage: 'Workspace id is required' })
  }
  const session = await resolveSessionContext(event)
  requireCan(session, 'workspace.read', { kind: 'workspace', id: workspaceId })
  await cloud.relay(event, { session, path: `/engine/v1/sync/events?${new URLSearchParams({ workspaceId }).toString()}` })
})

/** A page of another origin could not read a stream, but could use up all of a user's streams. */
function isForeign(site: string | undefined, origin: string | undefined): boolean {
  if (!site || site === 'same-origin' || site === 'none') return false
  const { security } = useRuntimeConfig() as { security?: { allowedOrigins?: unknown } }
  const allowed = security?.allowedOrigins
  return !(Array.isArray(allowed) && allowed.includes(origin))
}
