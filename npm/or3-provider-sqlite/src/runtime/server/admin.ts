// What the host's admin page uses: the ProviderAdminAdapter for sync, and the admin stores (contract,
// workspaces-and-admin §7 and §8).
import { createError } from 'h3'
import type { H3Event } from 'h3'
import type { Method } from 'or3-cloud-engine'
import { providerAdmin } from 'or3-cloud-engine/nitro'
import type { ProviderAdminAdapter } from '~~/server/admin/providers/registry'
import type {
  AdminStoreCapabilities,
  AdminStoreProvider,
  AdminUserStore,
  WorkspaceAccessStore,
  WorkspaceSettingsStore,
} from '~~/server/admin/stores/registry'
import { cloud } from './cloud'
import { given } from './given'

export const syncAdminAdapter = (id: string): ProviderAdminAdapter => providerAdmin(cloud, { id, kind: 'sync' })

/** The stores of the admin page. The host has already authorized the caller; a store serves one request. */
export function adminStores(id: string): AdminStoreProvider {
  return {
    id,
    createWorkspaceAccessStore: accessStore,
    createWorkspaceSettingsStore: settingsStore,
    createAdminUserStore: adminUserStore,
    getCapabilities: capabilities,
  }
}

function accessStore(event: H3Event): WorkspaceAccessStore {
  return {
    async listMembers({ workspaceId }) {
      return (await cloud.call(event, 'access/list-members', { workspaceId })).members
    },

    async upsertMember({ workspaceId, emailOrProviderId, role, provider }) {
      await cloud.call(event, 'access/upsert-member', given({ workspaceId, emailOrProviderId, role, provider }))
    },

    async setMemberRole({ workspaceId, userId, role }) {
      await mustBeMember(event, workspaceId, userId)
      await cloud.call(event, 'access/set-member-role', { workspaceId, userId, role })
    },

    async removeMember({ workspaceId, userId }) {
      await mustBeMember(event, workspaceId, userId)
      await cloud.call(event, 'access/remove-member', { workspaceId, userId })
    },

    listWorkspaces: ({ search, includeDeleted, page, perPage }) =>
      cloud.call(event, 'access/list-workspaces', given({ search, includeDeleted, page, perPage })),

    async getWorkspace({ workspaceId }) {
      return (await cloud.call(event, 'access/get-workspace', { workspaceId })).workspace
    },

    createWorkspace: ({ name, description, ownerUserId }) =>
      cloud.call(event, 'access/create-workspace', given({ name, description, ownerUserId })),

    async softDeleteWorkspace({ workspaceId }) {
      await cloud.call(event, 'access/soft-delete-workspace', { workspaceId })
    },

    async restoreWorkspace({ workspaceId }) {
      await cloud.call(event, 'access/restore-workspace', { workspaceId })
    },

    searchUsers: input => searchUsers(event, input),
  }
}

/**
 * The engine adds people who are not members, and does not mind if there is no one to remove. The host's page refers to
 * a member that it shows.
 */
async function mustBeMember(event: H3Event, workspaceId: string, userId: string): Promise<void> {
  const { members } = await cloud.call(event, 'access/list-members', { workspaceId })
  if (!members.some(member => member.userId === userId)) throw createError({ statusCode: 404, statusMessage: 'Member not found' })
}

async function searchUsers(event: H3Event, { query, limit }: { query: string, limit?: number }) {
  return (await cloud.call(event, 'access/search-users', given({ query, limit }))).users
}

function settingsStore(event: H3Event): WorkspaceSettingsStore {
  return {
    async get(workspaceId, key) {
      return (await cloud.call(event, 'settings/get', { workspaceId, key })).value
    },
    async set(workspaceId, key, value) {
      await cloud.call(event, 'settings/set', { workspaceId, key, value })
    },
  }
}

function adminUserStore(event: H3Event): AdminUserStore {
  return {
    async listAdmins() {
      return (await cloud.call(event, 'admins/list', {})).admins
    },
    async grantAdmin({ userId, createdByUserId }) {
      await cloud.call(event, 'admins/grant', given({ userId, createdByUserId }))
    },
    async revokeAdmin({ userId }) {
      await cloud.call(event, 'admins/revoke', { userId })
    },
    async isAdmin({ userId }) {
      return (await cloud.call(event, 'admins/is-admin', { userId })).isAdmin
    },
    searchUsers: input => searchUsers(event, input),
  }
}

/**
 * Which stores the engine has. The host caches the answer for a minute, so until the engine has answered it is what
 * this version supports.
 */
function capabilities(): AdminStoreCapabilities {
  const methods = cloud.offered?.methods
  const has = (...names: Method[]) => methods === undefined || names.every(name => methods.includes(name))
  return {
    supportsServerSideAdmin: true,
    supportsUserSearch: has('access/search-users'),
    supportsWorkspaceList: has('access/list-workspaces', 'access/get-workspace'),
    supportsWorkspaceManagement: has('access/create-workspace', 'access/soft-delete-workspace', 'access/restore-workspace'),
    supportsDeploymentAdminGrants: has('admins/list', 'admins/grant', 'admins/revoke', 'admins/is-admin'),
  }
}
