import { defineEventHandler } from 'h3'
import { useRuntimeConfig } from '#imports'
import { getProviderAdminAdapter } from '../../../admin/providers/registry'
import type { ProviderKind, ProviderStatus } from '../../../admin/providers/types'
import { requireCan } from '../../../auth/can'
import { resolveSessionContext } from '../../../auth/session'
import { requireFeature } from '../../../utils/endpoint'

/** What the providers say of themselves, for deployment admins. The fixture knows no other admin. */
export default defineEventHandler(async (event) => {
  requireFeature(event)
  const session = await resolveSessionContext(event)
  requireCan(session, 'admin.access')
  const config = useRuntimeConfig(event)
  const statusOf = async (kind: ProviderKind) => {
    const { enabled, provider } = config[kind]
    const unknown: ProviderStatus = {
      warnings: enabled ? [{ level: 'warning', message: `No admin adapter is registered for ${kind} "${provider}".` }] : [],
      actions: [],
    }
    const status = await getProviderAdminAdapter(kind, provider)?.getStatus(event, { enabled, provider }) ?? unknown
    return { enabled, provider, ...status }
  }
  const [auth, sync, storage] = [await statusOf('auth'), await statusOf('sync'), await statusOf('storage')]
  return {
    status: { auth, sync, storage },
    warnings: [...auth.warnings, ...sync.warnings, ...storage.warnings],
    session: { workspaceId: session.workspace?.id, role: session.role },
  }
})
