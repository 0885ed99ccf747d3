import { defineEventHandler, setResponseHeader } from 'h3'
import { useRuntimeConfig } from '#imports'
import { newest } from '~~/shared/form'
import { can } from '../../auth/can'
import { resolveSessionContext } from '../../auth/session'
import { getActiveSyncGatewayAdapter } from '../../sync/gateway/registry'
import { limit } from '../../utils/limits'
import { getClientIp, normalizeProxyTrustConfig } from '../../utils/net/request-identity'

export default defineEventHandler(async (event) => {
  const { auth, security } = useRuntimeConfig(event)
  const nobody = { session: null, ...(newest && { appAccessAllowed: false }) }
  if (!auth.enabled) return nobody
  setResponseHeader(event, 'Cache-Control', 'no-store')
  const client = getClientIp(event, normalizeProxyTrustConfig(security.proxy)) ?? event.node.req.socket.remoteAddress
  limit(event, 'auth:session', client ?? 'unknown', { showBudget: true })
  const session = await resolveSessionContext(event)
  if (!session.authenticated) return nobody
  if (!newest) return { session }
  const appAccessAllowed = can(session, 'workspace.read').allowed
  const workspaceItems = appAccessAllowed ? getActiveSyncGatewayAdapter(event)?.capabilities?.workspaceItems : undefined
  return {
    session: { ...session, entitlements: [] },
    appAccessAllowed,
    ...(workspaceItems && { workspaceItemCapability: workspaceItems }),
  }
})
