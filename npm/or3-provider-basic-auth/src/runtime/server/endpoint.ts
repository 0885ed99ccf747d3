import { createError, defineEventHandler } from 'h3'
import { useRuntimeConfig } from '#imports'
import { isSelected, type HostAuth } from '../selection'
import { cloud } from './cloud'

/** Passes requests of browsers on to the engine's provider: it decides on origins, limits and cookies. */
export default defineEventHandler(async (event) => {
  refuseUnselected()
  await cloud.relay(event, { answered: () => endProofs(event) })
})

/**
 * What was asked of accounts may have ended sessions that the host has proven: before the browser knows, the host does.
 */
export function endProofs({ method }: { method: string }): void {
  if (method !== 'GET' && method !== 'HEAD') cloud.doubtSessions()
}

/** @throws 503 when another provider signs people in (contract, auth §8.3) */
export function refuseUnselected(): void {
  if (isSelected(useRuntimeConfig() as HostAuth)) return
  throw createError({ statusCode: 503, statusMessage: 'Authentication provider is not configured' })
}
