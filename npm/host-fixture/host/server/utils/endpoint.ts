// What the endpoints of the cloud do before they ask an adapter.
import { createError, readBody, setResponseHeaders, type H3Event } from 'h3'
import type { z } from 'zod'
import { useRuntimeConfig } from '#imports'
import type { Permission } from '~/core/hooks/hook-types'
import { requireCan, requireSession, type FullSession } from '../auth/can'
import { resolveSessionContext } from '../auth/session'

const notFound = () => createError({ statusCode: 404, statusMessage: 'Not Found' })

/** @throws 404 where the feature is off */
export function requireFeature(event: H3Event, feature?: 'sync' | 'storage'): void {
  const config = useRuntimeConfig(event)
  if (!config.auth.enabled || (feature && !config[feature].enabled)) throw notFound()
}

/** Browsers and proxies shall keep nothing of the answer. */
export function keepNothing(event: H3Event): void {
  setResponseHeaders(event, { 'Cache-Control': 'no-store, no-cache, must-revalidate', 'Pragma': 'no-cache' })
}

/** @throws 400 with that text if the body is another */
export async function readValid<T extends z.ZodType>(event: H3Event, schema: T, text: string): Promise<z.output<T>> {
  const { success, data } = schema.safeParse(await readBody<unknown>(event))
  if (!success) throw createError({ statusCode: 400, statusMessage: text })
  return data
}

/** @throws 502 with that text if an adapter's answer is another: newest hosts demand it */
export function requireAnswer<T>(schema: z.ZodType, answer: T, text: string): T {
  const { success, error } = schema.safeParse(answer)
  if (!success) throw createError({ statusCode: 502, statusMessage: text, cause: error })
  return answer
}

/** @throws 401 and 403 */
export async function requirePermission(event: H3Event, permission: Permission, workspaceId: string): Promise<FullSession> {
  const session = await resolveSessionContext(event)
  requireSession(session)
  requireCan(session, permission, { kind: 'workspace', id: workspaceId })
  return session
}
