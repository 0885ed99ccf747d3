import { createError, defineEventHandler, getQuery } from 'h3'
import { useRuntimeConfig } from '#imports'
import { isSelected, type HostFiles } from '../selection'
import { admit, type Permission } from './admission'
import { cloud } from './cloud'

/**
 * Passes a content between browser and engine, as it comes. The host is asked before, for the workspace that the
 * address is good for; whether it is good for this user, the engine looks at.
 */
export const transfer = (permission: Permission) => defineEventHandler(async (event) => {
  if (!isSelected(useRuntimeConfig() as HostFiles)) throw createError({ statusCode: 404, statusMessage: 'Not Found' })
  const { token } = getQuery(event)
  const { workspaceId } = await cloud.call(event, 'storage/read-transfer', { token: typeof token === 'string' ? token : '' })
  await cloud.relay(event, { session: await admit(event, permission, workspaceId) })
})
