import { EngineError } from './errors.js'
import type { In, Schemas } from './methods.js'
import type { HostEvent, HostSession, ProviderHost } from './nitro.js'

/** What a host's ProviderAdminAdapter.getStatus returns (contract, workspaces-and-admin §8). */
export interface AdminStatus {
  details: Record<string, unknown>
  warnings: { level: 'warning' | 'error', message: string }[]
  actions: { id: string, label: string, description?: string, danger?: boolean }[]
}

/** A host's ProviderAdminAdapter. */
export interface ProviderAdmin {
  id: string
  kind: In<'admin/status'>['kind']
  getStatus: (event: HostEvent) => Promise<AdminStatus>
  runAction: (
    event: HostEvent,
    actionId: string,
    payload: Record<string, unknown> | undefined,
    context: { session?: HostSession | null },
  ) => Promise<unknown>
}

/**
 * Shows a provider to administrators. Its status says which package and program run; while the engine is unavailable,
 * it says so, and the page that shows all providers does not fail.
 */
export function providerAdmin(host: ProviderHost, { id, kind }: Pick<ProviderAdmin, 'id' | 'kind'>): ProviderAdmin {
  return {
    id,
    kind,
    async getStatus(event) {
      const running = { package: host.packageText }
      try {
        const { version } = await host.engine.hello()
        const status = await host.engine.call('admin/status', { kind }, host.caller(event))
        return { ...statusOf(status), details: { ...status.details, ...running, engine: `or3-cloud ${version}` } }
      }
      catch (error) {
        if (!(error instanceof EngineError) || error.code !== 'unavailable') throw host.error(error, event)
        const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
        return { details: running, warnings: [{ level: 'error', message: `${error.message}${cause}` }], actions: [] }
      }
    },
    async runAction(event, actionId, payload, { session }) {
      const { result } = await host.call(
        event,
        'admin/run-action',
        {
          kind,
          actionId,
          ...(session?.workspace && { workspaceId: session.workspace.id }),
          ...(payload && { payload }),
        },
        session ?? undefined,
      )
      return result
    },
  }
}

function statusOf({ warnings, actions }: Schemas['AdminStatus']): Pick<AdminStatus, 'warnings' | 'actions'> {
  return {
    warnings: warnings.map(({ level, message }) => ({ level: level === 'error' ? 'error' : 'warning', message })),
    actions,
  }
}
