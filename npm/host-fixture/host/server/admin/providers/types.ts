import type { H3Event } from 'h3'
import type { SessionContext } from '~/core/hooks/hook-types'

export type ProviderKind = 'auth' | 'sync' | 'storage'

export interface ProviderStatus {
  details?: Record<string, unknown>
  warnings: { level: 'warning' | 'error', message: string }[]
  actions: { id: string, label: string, description?: string, danger?: boolean }[]
}

export interface ProviderAdminAdapter {
  id: string
  kind: ProviderKind
  getStatus(event: H3Event, context: { enabled: boolean, provider: string }): Promise<ProviderStatus>
  runAction?(
    event: H3Event,
    actionId: string,
    payload: Record<string, unknown> | undefined,
    context: { enabled: boolean, provider: string, session: SessionContext | null },
  ): Promise<unknown>
}
