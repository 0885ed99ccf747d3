import { createError, defineEventHandler } from 'h3'
import { useRuntimeConfig } from '#imports'
import { isSelected, type HostAuth } from '../selection'
import { cloud } from './cloud'

/** Forwards browser requests to the engine's provider, which handles origins, limits and cookies. */
export default defineEventHandler(async (event) => {
  refuseUnselected()
  await cloud.relay(event, { answered: () => endProofs(event) })
})

/**
 * A request that changes an account may have ended sessions that the host has cached: it forgets them before replying.
 */
export function endProofs({ method }: { method: string }): void {
  if (method !== 'GET' && method !== 'HEAD') cloud.doubtSessions()
}

/** @throws 503 if another auth provider is selected (contract, auth §8.3) */
export function refuseUnselected(): void {
  if (isSelected(useRuntimeConfig() as HostAuth)) return
  throw createError({ statusCode: 503, statusMessage: 'Authentication provider is not configured' })
}
