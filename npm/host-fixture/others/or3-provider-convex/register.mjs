import { createError } from 'h3'
import { defineNitroPlugin, useRuntimeConfig } from 'nitropack/runtime'
import { registerAuthWorkspaceStore } from '~~/server/auth/store/registry'
import { registerStorageGatewayAdapter } from '~~/server/storage/gateway/registry'
import { registerSyncGatewayAdapter } from '~~/server/sync/gateway/registry'

const id = 'convex'
const users = new Map()
const logs = new Map()

/** Everyone has one workspace, which has the name of its owner. */
const store = {
  async getUser({ provider, providerUserId }) {
    const userId = users.get(`${provider}:${providerUserId}`)
    return userId ? { userId } : null
  },
  async getOrCreateUser({ provider, providerUserId }) {
    const userId = `user-${providerUserId}`
    users.set(`${provider}:${providerUserId}`, userId)
    return { userId }
  },
  getOrCreateDefaultWorkspace: async userId => ({ workspaceId: `workspace-${userId}`, workspaceName: 'Personal Workspace' }),
  getWorkspaceRole: async () => 'owner',
  listUserWorkspaces: async userId => [{ id: `workspace-${userId}`, name: 'Personal Workspace', role: 'owner', isActive: true }],
}

const newer = (a, b) => a.clock > b.clock || (a.clock === b.clock && a.hlc > b.hlc)

/** What the rows of a workspace are by now, in the order in which clients check them. */
function rowsOf({ workspaceId }) {
  const rows = new Map()
  for (const change of logs.get(workspaceId) ?? []) {
    const key = `${change.tableName}\0${change.pk}`
    const known = rows.get(key)
    if (!known || newer(change.stamp, known.stamp)) rows.set(key, change)
  }
  return [...rows.keys()].sort().map(key => rows.get(key))
}

const adapter = {
  id,
  capabilities: { snapshotBootstrap: 'snapshot-v1', historyRetention: 'snapshot-v1' },
  async push(_event, { scope, ops }) {
    const log = logs.get(scope.workspaceId) ?? []
    logs.set(scope.workspaceId, log)
    const results = ops.map(({ tableName, operation, pk, payload, stamp }) => {
      log.push({ serverVersion: log.length + 1, tableName, pk, op: operation, payload, stamp })
      return { opId: stamp.opId, success: true, serverVersion: log.length }
    })
    return { results, serverVersion: log.length }
  },
  async pull(_event, { scope, cursor, limit }) {
    const changes = (logs.get(scope.workspaceId) ?? []).slice(cursor, cursor + limit)
    const nextCursor = cursor + changes.length
    return { changes, nextCursor, hasMore: changes.length === limit, oldestRetainedVersion: 0, requiresSnapshot: false }
  },
  async snapshot(_event, { scope }) {
    const version = logs.get(scope.workspaceId)?.length ?? 0
    const items = rowsOf(scope).map(({ tableName, pk, op, payload, stamp: { clock, hlc, opId } }) => {
      const row = { tableName, pk, revision: { clock, hlc, opId } }
      return op === 'put' ? { kind: 'row', ...row, payload } : { kind: 'tombstone', ...row, serverDeletedAt: 0 }
    })
    return { workspaceId: scope.workspaceId, snapshotId: `snapshot ${version}`, highWatermark: version, items, nextPageToken: null }
  },
  async updateCursor() {},
  async queryCanonicalStorage(_event, { scope, hash }) {
    const row = rowsOf(scope).find(({ tableName, pk, op }) => tableName === 'file_meta' && pk === hash && op === 'put')
    if (!row) return { items: [], hasMore: false }
    const { name, storage_id, mime_type, size_bytes, updated_at } = row.payload
    const item = { kind: 'metadata', hash, name, storageId: storage_id, mimeType: mime_type, sizeBytes: size_bytes, updatedAt: updated_at }
    return { items: [item], hasMore: false }
  },
}

const noFiles = async () => {
  throw createError({ statusCode: 501, statusMessage: 'No files here' })
}

export default defineNitroPlugin(() => {
  const { auth, sync, storage } = useRuntimeConfig()
  if (!auth.enabled) return
  if (sync.provider === id) {
    registerAuthWorkspaceStore({ id, create: () => store })
    registerSyncGatewayAdapter({ id, create: () => adapter })
  }
  if (storage.provider === id) {
    registerStorageGatewayAdapter({ id, create: () => ({ presignUpload: noFiles, presignDownload: noFiles }) })
  }
})
