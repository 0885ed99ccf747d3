// Who has sent a request: what the auth provider says about its cookies, and what the workspace store says about that.
import { randomUUID } from 'node:crypto'
import { createError, type H3Event } from 'h3'
import { useRuntimeConfig } from '#imports'
import type { SessionContext } from '~/core/hooks/hook-types'
import { newest } from '~~/shared/form'
import { isDeploymentAdmin } from './deployment-admin'
import { getAuthProvider } from './registry'
import { getAuthWorkspaceStore } from './store/registry'
import type { AuthWorkspaceStore } from './store/types'
import type { ProviderSession } from './types'

const signedOut: SessionContext = { authenticated: false }
/** How long what the store said is remembered, in milliseconds. */
const longest = 60_000
const capacity = 2000
const remembered = new Map<string, { context: SessionContext, until: number }>()
let authorizationRevision = 0

/** The session of a request, which is resolved once. */
export function resolveSessionContext(event: H3Event): Promise<SessionContext> {
  event.context.__or3_request_id ??= randomUUID()
  const { provider } = useRuntimeConfig(event).auth
  const key = `__or3_session_context_${String(event.context.__or3_request_id)}_${provider}`
  return (event.context[key] ??= resolve(event)) as Promise<SessionContext>
}

/** Forgets what is remembered of this session's user, so that the next request sees a change. */
export function invalidateSession({ provider, providerUserId }: SessionContext): void {
  authorizationRevision++
  for (const key of remembered.keys()) {
    if (key.endsWith(`:${provider}:${providerUserId}`)) remembered.delete(key)
  }
}

/** The id under which workspaces are looked up. */
export function workspaceStoreId(event?: H3Event): string {
  const { sync, public: { sync: publicSync } } = useRuntimeConfig(event)
  return (newest ? sync.provider || publicSync.provider : publicSync.provider) || 'convex'
}

async function resolve(event: H3Event): Promise<SessionContext> {
  const { auth } = useRuntimeConfig(event)
  const provider = auth.enabled ? getAuthProvider(auth.provider || 'clerk') : undefined
  if (!provider) return signedOut
  const identity = await identify(() => provider.getSession(event))
  if (!identity) return signedOut
  try {
    return await remember(identity, workspaceStoreId(event), auth.autoProvision)
  }
  catch (error) {
    if (auth.sessionProvisioningFailure === 'unauthenticated') return signedOut
    if (auth.sessionProvisioningFailure === 'service-unavailable') {
      throw createError({ statusCode: 503, statusMessage: 'Service Unavailable', cause: error })
    }
    throw error
  }
}

/** What a host makes of a provider that fails differs by its form. */
async function identify(ask: () => Promise<ProviderSession | null>): Promise<ProviderSession | null> {
  try {
    return await ask()
  }
  catch (error) {
    if (import.meta.dev) throw error
    if (!newest) return null
    const { statusCode } = error as { statusCode?: number }
    if (statusCode === 401 || statusCode === 403) throw error
    throw createError({ statusCode: 503, statusMessage: 'Identity provider temporarily unavailable', cause: error })
  }
}

async function remember(identity: ProviderSession, storeId: string, autoProvision: boolean): Promise<SessionContext> {
  const key = `${storeId}:${identity.provider}:${identity.user.id}`
  const now = Date.now()
  const known = remembered.get(key)
  if (known && known.until > now) return known.context
  const context = await provision(identity, storeId, autoProvision)
  if (remembered.size >= capacity) remembered.delete(remembered.keys().next().value as string)
  remembered.set(key, { context, until: now + Math.max(1, Math.min(longest, identity.expiresAt.getTime() - now)) })
  return context
}

async function provision(identity: ProviderSession, storeId: string, autoProvision: boolean): Promise<SessionContext> {
  const store = getAuthWorkspaceStore(storeId)
  if (!store) throw new Error(`No AuthWorkspaceStore is registered for ${storeId}`)
  const { provider, user: { id: providerUserId, email, displayName } } = identity
  const userId = await findUser(store, identity, autoProvision)
  const { workspaceId, workspaceName } = await store.getOrCreateDefaultWorkspace(userId)
  const role = await store.getWorkspaceRole({ userId, workspaceId })
  if (!role) throw new Error(`${userId} has no role in ${workspaceId}`)
  return {
    authenticated: true,
    provider,
    providerUserId,
    user: { id: userId, ...(email && { email }), ...(displayName && { displayName }) },
    workspace: { id: workspaceId, name: workspaceName },
    role,
    expiresAt: identity.expiresAt.toISOString(),
    deploymentAdmin: await isDeploymentAdmin(storeId, providerUserId, provider),
    ...(newest && { authorizationRevision }),
  }
}

async function findUser(store: AuthWorkspaceStore, identity: ProviderSession, autoProvision: boolean): Promise<string> {
  const { provider, user: { id: providerUserId, email, displayName } } = identity
  if (newest || !autoProvision) {
    if (!store.getUser && !autoProvision) {
      throw createError({ statusCode: 500, statusMessage: 'Auth store must implement getUser when OR3_AUTH_AUTO_PROVISION=false' })
    }
    const user = await store.getUser?.({ provider, providerUserId })
    if (user) return user.userId
  }
  if (!autoProvision) {
    throw createError({ statusCode: 403, statusMessage: 'Registration is currently disabled. Please contact an administrator.' })
  }
  const { userId } = await store.getOrCreateUser({
    provider,
    providerUserId,
    ...(email && { email }),
    ...(displayName && { displayName }),
  })
  return userId
}
