import { createError, defineEventHandler, getQuery } from 'h3'
import { useRuntimeConfig } from '#imports'
import { isSelected, type HostFiles } from '../selection'
import { admit, type Permission } from './admission'
import { cloud } from './cloud'

/**
 * Streams content between browser and engine. The host is asked first, for the workspace that the URL is valid for;
 * the engine checks whether it is valid for this user.
 */
export const transfer = (permission: Permission) => defineEventHandler(async (event) => {
  if (!isSelected(useRuntimeConfig() as HostFiles)) throw createError({ statusCode: 404, statusMessage: 'Not Found' })
  const { token } = getQuery(event)
  const { workspaceId } = await cloud.call(event, 'storage/read-transfer', { token: typeof token === 'string' ? token : '' })
  await cloud.relay(event, { session: await admit(event, permission, workspaceId) })
})
