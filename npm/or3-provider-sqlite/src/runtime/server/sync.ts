// SyncGatewayAdapter (contract, sync §1.3 and §10).
import { createError } from 'h3'
import { resolveSessionContext, type SessionContext } from '~~/server/auth/session'
import type { Actor, SyncGatewayAdapter } from '~~/server/sync/gateway/types'
import { cloud } from './cloud'
import { given } from './given'

const pulled = { changes: true, nextCursor: true, hasMore: true, oldestRetainedVersion: true, requiresSnapshot: true } as const
const page = { items: true, nextPageToken: true, snapshotId: true, highWatermark: true, workspaceId: true } as const

/**
 * The host has validated the body and checked `can`; the engine checks the role again and decides on each op. It gets
 * bodies unchanged, and ignores fields that it does not know.
 */
export function syncAdapter(id: string): SyncGatewayAdapter {
  return {
    id,

    // The abilities that the engine last reported. Until then none are promised, and no one is signed in.
    get capabilities() {
      return { ...cloud.offered?.sync }
    },

    pull: async (event, input) => cloud.hold(event, 'sync/pull', input, pulled, await resolveSessionContext(event)),

    push: async (event, input) => cloud.call(event, 'sync/push', input, await resolveSessionContext(event)),

    snapshot: async (event, input) => cloud.hold(event, 'sync/snapshot', input, page, await resolveSessionContext(event)),

    async updateCursor(event, { scope, deviceId, version }) {
      await cloud.call(event, 'sync/update-cursor', { scope, deviceId, version }, await resolveSessionContext(event))
    },

    async gcTombstones(event, { scope, retentionSeconds }) {
      await cloud.call(event, 'sync/gc-tombstones', { scope, retentionSeconds })
    },

    async gcChangeLog(event, { scope, retentionSeconds }) {
      await cloud.call(event, 'sync/gc-change-log', { scope, retentionSeconds })
    },

    queryCanonicalStorage: (event, { scope, kind, hash, cursor, limit }) =>
      cloud.call(event, 'sync/query-canonical-storage', { scope, kind, hash, cursor, limit }),

    async reserveUploadIntent(event, intent) {
      await cloud.call(event, 'sync/reserve-upload-intent', intent, await resolveSessionContext(event))
    },

    async consumeUploadIntent(event, intent) {
      await cloud.call(event, 'sync/consume-upload-intent', intent, await resolveSessionContext(event))
    },

    async cancelUploadIntent(event, { workspaceId, intentId }) {
      await cloud.call(event, 'sync/cancel-upload-intent', { workspaceId, intentId })
    },

    readChatHistory: ({ userId, workspaceId }, query, signal) =>
      cloud.answering(undefined, () =>
        cloud.engine.call('sync/read-chat-history', { workspaceId, query }, { user: { id: userId } }, signal && { signal }),
      ),

    admitChatGeneration: async (actor, envelope) =>
      cloud.call(undefined, 'sync/admit-chat-generation', inWorkspaceOf(actor, envelope), userOf(actor)),

    finalizeChatGeneration: async (actor, { admission, snapshot }) =>
      cloud.call(undefined, 'sync/finalize-chat-generation', { admission: inWorkspaceOf(actor, admission), snapshot }, userOf(actor)),

    async listWorkspaceIds() {
      const all: string[] = []
      for (let after: string | undefined; ;) {
        const { workspaceIds } = await cloud.call(undefined, 'workspaces/list-workspace-ids', given({ after }))
        all.push(...workspaceIds)
        after = workspaceIds.at(-1)
        if (after === undefined) return all
      }
    },

    getMaintenanceState: () => cloud.call(undefined, 'sync/maintenance-state', {}),

    async beginMaintenanceRun() {
      await cloud.call(undefined, 'sync/begin-maintenance-run', {})
    },

    async completeMaintenanceRun({ lastRun }) {
      await cloud.call(undefined, 'sync/complete-maintenance-run', { lastRun })
    },

    async failMaintenanceRun(error) {
      await cloud.call(undefined, 'sync/fail-maintenance-run', { error })
    },
  }
}

/** Checks that an admission, which the client created, is for the workspace of its job. */
function inWorkspaceOf<T extends { workspaceId: string }>({ workspaceId }: Actor, admission: T): T {
  if (admission.workspaceId !== workspaceId) {
    throw createError({ statusCode: 400, statusMessage: 'Invalid background history: it is for another workspace' })
  }
  return admission
}

/** A background job runs on behalf of its user, whose browser may be closed. */
function userOf({ userId }: Actor): SessionContext {
  return { authenticated: true, user: { id: userId } }
}
