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
    const userId = `users:${providerUserId}`
    users.set(`${provider}:${providerUserId}`, userId)
    return { userId }
  },
  getOrCreateDefaultWorkspace: async userId => ({ workspaceId: `workspaces:${userId}`, workspaceName: 'Personal Workspace' }),
  getWorkspaceRole: async () => 'owner',
  listUserWorkspaces: async userId => [{ id: `workspaces:${userId}`, name: 'Personal Workspace', role: 'owner', isActive: true }],
}

const adapter = {
  id,
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
  async updateCursor() {},
}

const noFiles = async () => {
  throw Object.assign(new Error('no files here'), { statusCode: 501, statusMessage: 'No files here' })
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
