import { createError, defineEventHandler } from 'h3'
import { z } from 'zod'
import { useRuntimeConfig } from '#imports'
import { getProviderAdminAdapter } from '../../../admin/providers/registry'
import { requireCan } from '../../../auth/can'
import { resolveSessionContext } from '../../../auth/session'
import { readValid, requireFeature } from '../../../utils/endpoint'

const ActionSchema = z.object({
  kind: z.enum(['auth', 'sync', 'storage']),
  actionId: z.string(),
  payload: z.record(z.string(), z.unknown()).optional(),
})

export default defineEventHandler(async (event) => {
  requireFeature(event)
  const session = await resolveSessionContext(event)
  requireCan(session, 'admin.access')
  const { kind, actionId, payload } = await readValid(event, ActionSchema, 'Invalid request')
  const { enabled, provider } = useRuntimeConfig(event)[kind]
  const adapter = getProviderAdminAdapter(kind, provider)
  if (!adapter?.runAction) throw createError({ statusCode: 501, statusMessage: 'Action not supported' })
  return { ok: true, result: await adapter.runAction(event, actionId, payload, { enabled, provider, session }) }
})
