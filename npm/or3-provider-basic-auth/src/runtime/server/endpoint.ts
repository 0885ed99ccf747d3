import { createError, defineEventHandler } from 'h3'
import { useRuntimeConfig } from '#imports'
import { isSelected, type HostAuth } from '../selection'
import { cloud } from './cloud'

/** Passes requests of browsers on to the engine's provider: it decides on origins, limits and cookies. */
export default defineEventHandler(async (event) => {
  refuseUnselected()
  await cloud.relay(event)
})

/** @throws 503 when another provider signs people in (contract, auth §8.3) */
export function refuseUnselected(): void {
  if (isSelected(useRuntimeConfig() as HostAuth)) return
  throw createError({ statusCode: 503, statusMessage: 'Authentication provider is not configured' })
}
