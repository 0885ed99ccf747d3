// AuthWorkspaceStore and DeploymentAdminChecker (contract, auth §5, §7 and §9).
import type { DeploymentAdminChecker } from '~~/server/auth/deployment-admin'
import type { AuthWorkspaceStore, Identity } from '~~/server/auth/store/types'
import { cloud } from './cloud'
import { given } from './given'

function identity({ provider, providerUserId, email, displayName }: Identity): Identity {
  return given({ provider, providerUserId, email, displayName })
}

/**
 * Users, workspaces, memberships and invites. A failed lookup is an error, never "unknown" or "no member".
 */
export function workspaceStore(): AuthWorkspaceStore {
  const store: AuthWorkspaceStore = {
    async getUser({ provider, providerUserId }) {
      const { userId } = await cloud.call(undefined, 'workspaces/get-user', { provider, providerUserId })
      return userId === null ? null : { userId }
    },

    getOrCreateUser: user => cloud.call(undefined, 'workspaces/get-or-create-user', identity(user)),

    async getOrCreateDefaultWorkspace(userId) {
      const { workspaceId, workspaceName, created } = await cloud.call(undefined, 'workspaces/get-or-create-default-workspace', { userId })
      return { workspaceId, workspaceName, created }
    },

    async getWorkspaceRole({ userId, workspaceId }) {
      return (await cloud.call(undefined, 'workspaces/get-workspace-role', { userId, workspaceId })).role
    },

    async listUserWorkspaces(userId) {
      return (await cloud.call(undefined, 'workspaces/list-user-workspaces', { userId })).workspaces
    },

    createWorkspace: ({ userId, name, description }) =>
      cloud.call(undefined, 'workspaces/create-workspace', given({ userId, name, description })),

    async updateWorkspace({ userId, workspaceId, name, description }) {
      await cloud.call(undefined, 'workspaces/update-workspace', given({ userId, workspaceId, name, description }))
    },

    async removeWorkspace({ userId, workspaceId }) {
      await cloud.call(undefined, 'workspaces/remove-workspace', { userId, workspaceId })
    },

    async setActiveWorkspace({ userId, workspaceId }) {
      await cloud.call(undefined, 'workspaces/set-active-workspace', { userId, workspaceId })
    },

    createInvite: ({ workspaceId, email, role, invitedByUserId, expiresAt, tokenHash }) =>
      cloud.call(undefined, 'workspaces/create-invite', { workspaceId, email, role, invitedByUserId, expiresAt, tokenHash }),

    async listInvites({ workspaceId, status, limit }) {
      const { invites } = await cloud.call(undefined, 'workspaces/list-invites', given({ workspaceId, status, limit }))
      return invites.map(({ invitedByUserId = null, acceptedUserId = null, ...invite }) => ({
        ...invite,
        invitedByUserId,
        acceptedUserId,
      }))
    },

    async revokeInvite({ workspaceId, inviteId }) {
      await cloud.call(undefined, 'workspaces/revoke-invite', { workspaceId, inviteId })
    },

    async validateInvite({ workspaceId, email, tokenHash }) {
      const { ok, role, reason } = await cloud.call(undefined, 'workspaces/validate-invite', { workspaceId, email, tokenHash })
      return ok && role ? { ok, role } : { ok: false, reason: reason ?? 'not_found' }
    },

    async acceptInviteAndProvisionUser({ workspaceId, tokenHash, ...user }) {
      const known = await store.getUser(user)
      const { ok, userId, reason } = await cloud.call(undefined, 'workspaces/accept-invite', {
        ...identity(user),
        workspaceId,
        tokenHash,
      })
      if (!ok || !userId) return { ok: false, reason: reason ?? 'not_found' }
      const role = await store.getWorkspaceRole({ userId, workspaceId })
      // If the user was removed between the two calls, the host refuses them like any user without a role.
      return { ok: true, userId, role: role ?? 'viewer', createdUser: known === null }
    },
  }
  return store
}

/** Says who is a deployment administrator. */
export function deploymentAdminChecker(): DeploymentAdminChecker {
  return {
    async checkDeploymentAdmin(providerUserId, provider) {
      return (await cloud.call(undefined, 'workspaces/check-deployment-admin', { provider, providerUserId })).deploymentAdmin
    },
  }
}
