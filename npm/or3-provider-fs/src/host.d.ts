/**
 * What the host provides: these paths exist only inside its build. From the contract: storage §6, auth §2 and §3,
 * workspaces-and-admin §8.
 */

declare module '#imports' {
  export { defineNitroPlugin } from 'nitropack/runtime'
  export { useRuntimeConfig } from 'nuxt/app'
}

declare module '~~/server/storage/gateway/types' {
  import type { H3Event } from 'h3'

  export type Disposition = 'inline' | 'attachment'

  export interface Presigned {
    /** Relative to the origin of the page, or absolute. */
    url: string
    /** In Unix milliseconds. */
    expiresAt?: number
    method?: string
    headers?: Record<string, string>
    storageId?: string
    disposition?: Disposition
  }

  export interface StorageGatewayAdapter {
    presignUpload(event: H3Event, input: {
      workspaceId: string
      hash: string
      mimeType: string
      sizeBytes: number
      expiresInMs?: number
      disposition?: Disposition
    }): Promise<Presigned>
    /** Newer hosts require disposition, mimeType and filename to be honoured. */
    presignDownload(event: H3Event, input: {
      workspaceId: string
      hash: string
      storageId?: string
      expiresInMs?: number
      disposition?: Disposition
      mimeType?: string
      filename?: string
    }): Promise<Presigned>
    commit(event: H3Event, input: {
      workspace_id: string
      hash: string
      storage_id: string
      storage_provider_id: string
      mime_type: string
      size_bytes: number
      name: string
      kind: string
    }): Promise<void>
    gc(event: H3Event, input: { workspace_id: string, retention_seconds: number, limit?: number }): Promise<unknown>
    /** Newer hosts only; an object that does not exist counts as deleted. */
    deleteObject(event: H3Event, input: { workspaceId: string, hash: string, storageId?: string }): Promise<void>
  }
}

declare module '~~/server/storage/gateway/registry' {
  import type { StorageGatewayAdapter } from '~~/server/storage/gateway/types'

  export function registerStorageGatewayAdapter(item: { id: string, order?: number, create: () => StorageGatewayAdapter }): void
}

declare module '~~/server/auth/session' {
  import type { H3Event } from 'h3'
  import type { HostSession } from 'or3-cloud-engine/nitro'

  export function resolveSessionContext(event: H3Event): Promise<HostSession>
}

declare module '~~/server/auth/can' {
  import type { HostSession } from 'or3-cloud-engine/nitro'

  /** @throws 401 or 403 */
  export function requireCan(session: HostSession, permission: string, resource: { kind: 'workspace', id: string }): void
}

declare module '~~/server/admin/providers/registry' {
  import type { ProviderAdmin } from 'or3-cloud-engine/nitro'

  export function registerProviderAdminAdapter(adapter: ProviderAdmin): void
}
