import type { H3Event } from 'h3'
import type { In, Method, Out } from 'or3-cloud-engine'
import { useRuntimeConfig } from '#imports'
import type { Presigned, StorageGatewayAdapter } from '~~/server/storage/gateway/types'
import { admit, type Permission } from './admission'
import { cloud } from './cloud'

/**
 * The host's files: every request goes to the engine, for users that the host has admitted. Content takes another route
 * (transfer.ts).
 */
export const gateway: StorageGatewayAdapter = {
  async presignUpload(event, { workspaceId, hash, mimeType, sizeBytes, expiresInMs, disposition }) {
    const upload = { workspaceId, hash, mimeType, sizeBytes, expiresInMs, disposition }
    return belowBase(await ask(event, 'workspace.write', workspaceId, 'storage/presign-upload', upload))
  },

  async presignDownload(event, { workspaceId, hash, storageId, expiresInMs, disposition, mimeType, filename }) {
    const download = { workspaceId, hash, storageId, expiresInMs, disposition, mimeType, filename }
    return belowBase(await ask(event, 'workspace.read', workspaceId, 'storage/presign-download', download))
  },

  async commit(event, { workspace_id, hash, storage_id, storage_provider_id, mime_type, size_bytes, name, kind }) {
    const file = { workspace_id, hash, storage_id, storage_provider_id, mime_type, size_bytes, name, kind }
    await ask(event, 'workspace.write', workspace_id, 'storage/commit', file)
  },

  /** The host decides who may do this, and the decision does not depend on a workspace. */
  gc: (event, { workspace_id, retention_seconds, limit }) =>
    cloud.call(event, 'storage/gc', { workspace_id, retention_seconds, limit }),

  async deleteObject(event, { workspaceId, hash }) {
    await ask(event, 'workspace.write', workspaceId, 'storage/delete-object', { workspaceId, hash })
  },
}

async function ask<N extends Method>(
  event: H3Event,
  permission: Permission,
  workspaceId: string,
  method: N,
  input: In<N>,
): Promise<Out<N>> {
  return cloud.call(event, method, input, await admit(event, permission, workspaceId))
}

/** Browsers use the URL as it is, so if the host is served below a path, the URL includes it. */
function belowBase<P extends Presigned>(presigned: P): P {
  const { baseURL } = useRuntimeConfig().app
  return presigned.url.startsWith('/') ? { ...presigned, url: baseURL.replace(/\/$/, '') + presigned.url } : presigned
}
