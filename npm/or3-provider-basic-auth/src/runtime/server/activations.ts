import { resolveSessionContext } from '~~/server/auth/session'
import { revokeHostActivationsForUser } from '~~/server/utils/plugins/isolation/activation-registry'
import type { H3Event } from 'h3'

/** Returns a function that ends the plugin activations of a request's user (contract, host-integration §4). */
export async function activationsOf(event: H3Event): Promise<() => void> {
  const session = await resolveSessionContext(event).catch(() => undefined) // no one, and nothing to end
  const userId = session?.authenticated ? session.user?.id : undefined
  return () => {
    if (userId) revokeHostActivationsForUser(userId, 'logout')
  }
}
