// Made from engine/openapi.json by "make generate". Do not edit.
/* eslint-disable */
export interface paths {
    "/engine/hello": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Versions, state and what can be asked. Answered in every state; 409 if no version is common. */
        post: operations["hello"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/create-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.createWorkspace. */
        post: operations["access/create-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/find-workspaces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The live workspaces with an id or a name. */
        post: operations["access/find-workspaces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/get-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.getWorkspace; deleted ones as well. */
        post: operations["access/get-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/list-members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.listMembers. */
        post: operations["access/list-members"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/list-workspaces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.listWorkspaces. */
        post: operations["access/list-workspaces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/remove-member": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.removeMember. */
        post: operations["access/remove-member"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/restore-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.restoreWorkspace. One without an owner is 409. */
        post: operations["access/restore-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/search-users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.searchUsers, AdminUserStore.searchUsers. A blank query finds no one. */
        post: operations["access/search-users"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/set-member-role": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.setMemberRole; a user who is not a member becomes one. */
        post: operations["access/set-member-role"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/soft-delete-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.softDeleteWorkspace. The engine sets the time. */
        post: operations["access/soft-delete-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/access/upsert-member": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceAccessStore.upsertMember. An address without a user is 404: invite its owner. */
        post: operations["access/upsert-member"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/admin/run-action": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** ProviderAdminAdapter.runAction. */
        post: operations["admin/run-action"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/admin/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** ProviderAdminAdapter.getStatus. */
        post: operations["admin/status"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/admins/grant": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AdminUserStore.grantAdmin. */
        post: operations["admins/grant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/admins/is-admin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AdminUserStore.isAdmin. */
        post: operations["admins/is-admin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/admins/list": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AdminUserStore.listAdmins. */
        post: operations["admins/list"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/admins/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AdminUserStore.revokeAdmin. */
        post: operations["admins/revoke"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/auth/check-session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Whether a session that was proven is still alive. */
        post: operations["auth/check-session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/auth/revocations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What can no longer be relied on of what auth/session has said. The first event is named "watching", the others "revoked"; when the stream ends, nothing that is remembered can be relied on. */
        get: operations["auth/revocations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/auth/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthProvider.getSession: who sent a request. The first one of an account may bring an invite, which is accepted. */
        post: operations["auth/session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/auth/setup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** One-time links for the first account; none if there are accounts. */
        post: operations["auth/setup"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/auth/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** ProviderTokenBroker.getProviderToken. */
        post: operations["auth/token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/abort": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.abortJob. */
        post: operations["jobs/abort"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/cancel-admission": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.cancelAdmission. */
        post: operations["jobs/cancel-admission"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/claim": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.claimJob, claimNextJob. */
        post: operations["jobs/claim"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/cleanup-expired": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.cleanupExpired. The engine also does it in the background. */
        post: operations["jobs/cleanup-expired"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.completeJob. */
        post: operations["jobs/complete"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/count-active": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.getActiveJobCount, of a user or of *. */
        post: operations["jobs/count-active"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.createJob. Too many open jobs are 429. */
        post: operations["jobs/create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/fail": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.failJob. */
        post: operations["jobs/fail"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/find-by-idempotency-key": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.findJobByIdempotencyKey, without texts. */
        post: operations["jobs/find-by-idempotency-key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.getJob, with the texts from a place on. */
        post: operations["jobs/get"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/get-pending-history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.getPendingHistoryJobs. One that has ended has a snapshot. */
        post: operations["jobs/get-pending-history"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/renew-lease": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.renewJobLease. */
        post: operations["jobs/renew-lease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/save-terminal-snapshot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.saveTerminalSnapshot: ends the job. The first end stays. */
        post: operations["jobs/save-terminal-snapshot"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/set-history-phase": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.setHistoryPhase. */
        post: operations["jobs/set-history-phase"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/update": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.updateJob. A job that is not open stays as it is. */
        post: operations["jobs/update"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/jobs/update-execution": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** BackgroundJobProvider.updateJobExecution. */
        post: operations["jobs/update-execution"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/limits/check-and-record": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** RateLimitProvider.checkAndRecord. The engine keeps the windows, for all processes of a host. */
        post: operations["limits/check-and-record"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/limits/get-stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** RateLimitProvider.getStats. */
        post: operations["limits/get-stats"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/notifications/notify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Writes a notification for a member into the log of a workspace, once per id. */
        post: operations["notifications/notify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/settings/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceSettingsStore.get. */
        post: operations["settings/get"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/settings/set": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** WorkspaceSettingsStore.set. */
        post: operations["settings/set"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/stay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Keeps the engine alive as long as the request lasts; events named "state" tell how far it is. */
        get: operations["stay"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/storage/commit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** StorageGatewayAdapter.commit. */
        post: operations["storage/commit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/storage/delete-object": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** StorageGatewayAdapter.deleteObject. */
        post: operations["storage/delete-object"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/storage/gc": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** StorageGatewayAdapter.gc. */
        post: operations["storage/gc"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/storage/presign-download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** StorageGatewayAdapter.presignDownload. */
        post: operations["storage/presign-download"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/storage/presign-upload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** StorageGatewayAdapter.presignUpload. */
        post: operations["storage/presign-upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/storage/read-transfer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a signed URL of the provider's routes allows, regardless of who presents it. */
        post: operations["storage/read-transfer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/admit-chat-generation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.admitChatGeneration. */
        post: operations["sync/admit-chat-generation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/begin-maintenance-run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.beginMaintenanceRun. */
        post: operations["sync/begin-maintenance-run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/cancel-upload-intent": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.cancelUploadIntent. */
        post: operations["sync/cancel-upload-intent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/complete-maintenance-run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.completeMaintenanceRun. */
        post: operations["sync/complete-maintenance-run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/consume-upload-intent": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.consumeUploadIntent. */
        post: operations["sync/consume-upload-intent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The version of a workspace, at once and whenever it changes, as events named "version". The stream ends within two seconds of the membership. */
        get: operations["sync/events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/fail-maintenance-run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.failMaintenanceRun. */
        post: operations["sync/fail-maintenance-run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/finalize-chat-generation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.finalizeChatGeneration. */
        post: operations["sync/finalize-chat-generation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/gc-change-log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.gcChangeLog. */
        post: operations["sync/gc-change-log"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/gc-tombstones": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.gcTombstones. */
        post: operations["sync/gc-tombstones"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/maintenance-state": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.getMaintenanceState. */
        post: operations["sync/maintenance-state"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/pull": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.pull. */
        post: operations["sync/pull"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/push": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.push. */
        post: operations["sync/push"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/query-canonical-storage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.queryCanonicalStorage. */
        post: operations["sync/query-canonical-storage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/read-chat-history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.readChatHistory. */
        post: operations["sync/read-chat-history"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/reserve-upload-intent": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.reserveUploadIntent. */
        post: operations["sync/reserve-upload-intent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/snapshot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.snapshot. */
        post: operations["sync/snapshot"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/sync/update-cursor": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.updateCursor. */
        post: operations["sync/update-cursor"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/accept-invite": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.acceptInviteAndProvisionUser. */
        post: operations["workspaces/accept-invite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/check-deployment-admin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** DeploymentAdminChecker.checkDeploymentAdmin. */
        post: operations["workspaces/check-deployment-admin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/create-invite": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.createInvite. */
        post: operations["workspaces/create-invite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/create-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.createWorkspace. */
        post: operations["workspaces/create-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/get-or-create-default-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.getOrCreateDefaultWorkspace. */
        post: operations["workspaces/get-or-create-default-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/get-or-create-user": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.getOrCreateUser. */
        post: operations["workspaces/get-or-create-user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/get-user": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.getUser. */
        post: operations["workspaces/get-user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/get-workspace-role": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.getWorkspaceRole. */
        post: operations["workspaces/get-workspace-role"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/list-invites": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.listInvites. */
        post: operations["workspaces/list-invites"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/list-user-workspaces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.listUserWorkspaces. */
        post: operations["workspaces/list-user-workspaces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/list-workspace-ids": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** SyncGatewayAdapter.listWorkspaceIds, in pages: the live workspaces, oldest first. */
        post: operations["workspaces/list-workspace-ids"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/remove-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.removeWorkspace. */
        post: operations["workspaces/remove-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/revoke-invite": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.revokeInvite. */
        post: operations["workspaces/revoke-invite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/set-active-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.setActiveWorkspace. */
        post: operations["workspaces/set-active-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/update-workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.updateWorkspace. */
        post: operations["workspaces/update-workspace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/engine/v1/workspaces/validate-invite": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** AuthWorkspaceStore.validateInvite. */
        post: operations["workspaces/validate-invite"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description AdminAction is an action of a provider that the operator can run. */
        AdminAction: {
            /** @description Confirmation is the question to confirm before the action runs. It is empty if nothing can be lost. */
            confirmation?: string;
            danger?: boolean;
            description?: string;
            id: string;
            label: string;
            /** @description Workspace reports whether the action applies to one workspace, which the operator has to name. */
            workspace?: boolean;
        };
        AdminActionAnswer: {
            result: unknown;
        };
        AdminActionRequest: {
            actionId: string;
            /** @enum {string} */
            kind: "auth" | "sync" | "storage";
            payload?: {
                [key: string]: unknown;
            };
            /** @description WorkspaceID is that of the session; absent if it has none. */
            workspaceId?: string;
        };
        AdminAnswer: {
            deploymentAdmin: boolean;
        };
        AdminGrant: {
            /** @description CreatedByUserID is the user who grants it; anyone who is not a user, such as a super admin, is recorded as an operator. */
            createdByUserId?: string;
            userId: string;
        };
        AdminList: {
            admins: components["schemas"]["DeploymentAdmin"][];
        };
        /** @description AdminStatus describes a provider to an operator. It contains no secrets. */
        AdminStatus: {
            actions: components["schemas"]["AdminAction"][];
            details?: {
                [key: string]: unknown;
            };
            warnings: components["schemas"]["AdminWarning"][];
        };
        AdminStatusRequest: {
            /**
             * @description Kind is auth, sync or storage.
             * @enum {string}
             */
            kind: "auth" | "sync" | "storage";
        };
        /** @description AdminWarning is a warning about a provider for the operator. */
        AdminWarning: {
            /** @description AdminLevelWarning or AdminLevelError */
            level: string;
            message: string;
        };
        /** @description AdmissionEnvelope is the wire form of or3cloud.ChatGeneration, as clients send it and as it is stored with a job. */
        AdmissionEnvelope: {
            admissionId: string;
            assistantMessage: unknown;
            /** @description ExpectedAssistant is the message that a continuation continues. */
            expectedAssistant?: components["schemas"]["ExpectedAssistant"];
            generationId: string;
            kind: string;
            messageId: string;
            thread?: unknown;
            threadId: string;
            userMessage?: unknown;
            /** @description Version is 1. */
            version: number;
            workspaceId: string;
        };
        Admitted: {
            replayed: boolean;
            serverVersion: number;
            /** @description Status is admitted. */
            status: string;
        };
        /** @description BrowserRequest is what an auth provider may know of a request that a browser sent to the host. Its address is that of the Caller. */
        BrowserRequest: {
            /** @description AnswerBegun says that cookies can no longer reach the browser. No credential is renewed then. */
            answerBegun?: boolean;
            /** @description Headers are by name, in any case; the values of a repeated one are joined as HTTP does (RFC 9110 §5.3; for cookies RFC 6265 §4.2). */
            headers: {
                [key: string]: string;
            };
            /** @description Method is that of the request; the default is GET. */
            method?: string;
            /** @description URL is path and query. */
            url: string;
        };
        /** @description Caller is the person on whose behalf a host sends a request: what it knows of the browser that sent it, and who is signed in there. */
        Caller: {
            /** @description ClientIP is the browser's address after the trusted-proxy rule; empty if it is unknown. */
            clientIp?: string;
            /** @description Host is the host and port that the browser addressed; empty if it is unknown. */
            host?: string;
            /** @description HTTPS says whether the browser's connection is encrypted. */
            https?: boolean;
            /** @description User is the user who is signed in; nil for a browser that is not. */
            user?: components["schemas"]["User"];
        };
        CanonicalAnswer: {
            hasMore: boolean;
            items: components["schemas"]["CanonicalItem"][];
            nextCursor?: string;
        };
        CanonicalItem: {
            fileKind?: string;
            hash: string;
            /** @description Kind is metadata or reference. */
            kind: string;
            mimeType?: string;
            name?: string;
            sizeBytes?: number;
            sourceId?: string;
            sourceTable?: string;
            storageId?: string;
            updatedAt?: number;
        };
        CanonicalRequest: {
            cursor?: string;
            hash?: string;
            /** @description Kind is live_metadata, reference_edges or active_reservations. */
            kind: string;
            /** @description Limit is 1 to 500; the default is 100. */
            limit?: number;
            scope: components["schemas"]["Scope"];
        };
        Change: {
            /** @enum {string} */
            op: "put" | "delete";
            payload?: unknown;
            pk: string;
            serverVersion: number;
            stamp: components["schemas"]["Stamp"];
            tableName: string;
        };
        ChangedWorkspace: {
            description?: string;
            name: string;
            userId: string;
            workspaceId: string;
        };
        ChatAnswer: {
            /** @description ExaminedRows is absent unless a page was requested. */
            examined_rows?: number;
            messages?: unknown[];
            next_cursor?: string;
            project_ownership?: string;
            revision?: string;
            /** @description Status is ok or scope_incomplete. */
            status: string;
            thread?: unknown;
        };
        ChatQuery: {
            cursor?: string;
            /** @description Kind is thread, messages or thread_page. */
            kind: string;
            limit?: number;
            message_ids?: string[];
            thread_id?: string;
        };
        ChatRequest: {
            query: components["schemas"]["ChatQuery"];
            workspaceId: string;
        };
        CheckSessionAnswer: {
            live: boolean;
        };
        CheckSessionRequest: {
            session: components["schemas"]["ProvenSession"];
        };
        ClaimedJob: {
            execution?: string;
            /** @description Job is null if there is none. */
            job: components["schemas"]["Job"] | null;
        };
        CollectRequest: {
            retentionSeconds: number;
            scope: components["schemas"]["Scope"];
        };
        CommitAnswer: {
            /** @description SizeBytes is the actual size of the content. */
            sizeBytes: number;
        };
        /** @description commitRequest has the names of the wire, because the host passes on the body of its endpoint. */
        CommitRequest: {
            hash: string;
            kind?: string;
            mime_type?: string;
            name?: string;
            size_bytes: number;
            storage_id?: string;
            storage_provider_id?: string;
            workspace_id: string;
        };
        CursorRequest: {
            deviceId: string;
            scope: components["schemas"]["Scope"];
            version: number;
        };
        DefaultWorkspace: {
            /** @description Created says that this call has created it. */
            created: boolean;
            workspace: components["schemas"]["Workspace"];
            workspaceId: string;
            workspaceName: string;
        };
        DeploymentAdmin: {
            /** @description CreatedAt is when it was granted, in Unix milliseconds. */
            createdAt: number;
            displayName?: string;
            email?: string;
            userId: string;
        };
        /** @description Endpoint is a route that a provider serves. */
        Endpoint: {
            method: string;
            /** @description Path may end in /:id, which stands for one segment. */
            path: string;
            /** @description Provider is the id of the provider that serves it. */
            provider: string;
        };
        /** @description ExpectedAssistant is the state of a message as a client knows it. */
        ExpectedAssistant: {
            clock: number;
            /** @description GenerationID is the generation that wrote the message. It is empty if it does not matter. */
            generationId?: string;
        };
        /** @description Fault is the body of every error of the protocol. */
        Fault: {
            /** @enum {string} */
            code: "conflict" | "forbidden" | "gone" | "insufficient_storage" | "internal" | "invalid" | "not_found" | "range_unsatisfiable" | "rate_limited" | "too_large" | "unauthenticated" | "unavailable" | "unsupported" | "unsupported_media";
            data?: unknown;
            message: string;
            /** @description RetryAfter is in seconds. */
            retryAfter?: number;
            status: number;
        };
        FinalizeRequest: {
            admission: components["schemas"]["AdmissionEnvelope"];
            snapshot: components["schemas"]["GenerationSnapshot"];
        };
        Finalized: {
            reason?: string;
            replayed?: boolean;
            serverVersion?: number;
            /** @description Status is committed, with Replayed and ServerVersion, or superseded, with Reason. */
            status: string;
        };
        /** @description GenerationSnapshot is the final answer of a generation. Its texts and values are JSON, kept byte for byte, because a model's text may be cut in the middle of a character (contract, sync Pitfall 17). */
        GenerationSnapshot: {
            /** @description CompletedAt is in Unix milliseconds. */
            completedAt: number;
            /** @description Content and Reasoning are JSON strings. */
            content: unknown;
            /** @description ToolCalls is a JSON array, Usage an object and Error a string. Each is nil if absent. */
            error?: unknown;
            /** @description Content and Reasoning are JSON strings. */
            reasoning?: unknown;
            /** @description Status is complete, error or aborted. */
            status: string;
            /** @description ToolCalls is a JSON array, Usage an object and Error a string. Each is nil if absent. */
            toolCalls?: unknown;
            /** @description ToolCalls is a JSON array, Usage an object and Error a string. Each is nil if absent. */
            usage?: unknown;
        };
        /** @description Hello is what an engine says about itself. */
        Hello: {
            /** @description Methods are the names of those that the providers can answer. Others of the protocol answer 501. */
            methods: string[];
            pid: number;
            protocol: components["schemas"]["Versions"];
            /** @description Providers are the ids of those that are open; empty where the role is off or the host's own. */
            providers: components["schemas"]["Roles"];
            /** @description Routes are the endpoints of providers; a host passes browsers' requests to them on. */
            routes: components["schemas"]["Endpoint"][];
            /** @enum {string} */
            state: "starting" | "ready" | "stopping";
            /** @description Sync is what a sync adapter reports in capabilities (contract, sync §10.5). */
            sync: components["schemas"]["SyncCapabilities"];
            /** @description Version is the program's. */
            version: string;
        };
        IdentityRequest: {
            displayName?: string;
            email?: string;
            /** @description Founder makes a new user a deployment administrator. Hosts need not set it: auth/session creates the users of founders. */
            founder?: boolean;
            provider: string;
            providerUserId: string;
        };
        IntentOfWorkspace: {
            intentId?: string;
            workspaceId: string;
        };
        /** @description Introduction is what a host says about itself. */
        Introduction: {
            /** @description Client is the package that speaks and its version, such as "or3-provider-sqlite/1.4.0". */
            client?: string;
            /** @description Protocol are the versions that it speaks; nil is any. */
            protocol?: components["schemas"]["Versions"];
        };
        /** @description invite has its times in Unix seconds; they are null for what has not happened. */
        Invite: {
            acceptedAt: number | null;
            acceptedUserId?: string;
            createdAt: number;
            email: string;
            expiresAt: number;
            id: string;
            invitedByUserId?: string;
            revokedAt: number | null;
            /** @enum {string} */
            role: "owner" | "editor" | "viewer";
            /** @enum {string} */
            status: "pending" | "accepted" | "revoked" | "expired";
            tokenHash: string;
            updatedAt: number;
            workspaceId: string;
        };
        InviteAcceptance: {
            displayName?: string;
            email?: string;
            /** @description Founder makes a new user a deployment administrator. Hosts need not set it: auth/session creates the users of founders. */
            founder?: boolean;
            provider: string;
            providerUserId: string;
            tokenHash: string;
            workspaceId: string;
        };
        InviteFilter: {
            limit?: number;
            /** @enum {string} */
            status?: "pending" | "accepted" | "revoked" | "expired";
            workspaceId: string;
        };
        InviteID: {
            inviteId: string;
        };
        InviteList: {
            invites: components["schemas"]["Invite"][];
        };
        InviteOfWorkspace: {
            inviteId: string;
            workspaceId: string;
        };
        InviteQuestion: {
            email?: string;
            tokenHash: string;
            workspaceId: string;
        };
        InviteVerdict: {
            ok: boolean;
            /** @enum {string} */
            reason?: "not_found" | "email_mismatch" | "already_used" | "revoked" | "expired";
            /**
             * @description Role is given with ok, Reason without it.
             * @enum {string}
             */
            role?: "owner" | "editor" | "viewer";
            /** @description UserID is who has accepted it. */
            userId?: string;
        };
        IsAdmin: {
            isAdmin: boolean;
        };
        /** @description job is the host's job. Times are in Unix milliseconds. */
        Job: {
            admissionId?: string;
            /** @description Attempts is how many workers have held it. Texts start again with each. */
            attempts: number;
            chunksReceived: number;
            completedAt?: number;
            /** @description Context is returned on request, to workers, and with pending history. */
            context?: unknown;
            error?: string;
            generationId?: string;
            /** @enum {string} */
            historyPhase?: "admission_pending" | "ready" | "finalization_pending" | "committed" | "superseded" | "blocked";
            id: string;
            idempotencyKey?: string;
            /** @enum {string} */
            kind: "chat" | "workflow";
            leaseOwner?: string;
            leaseUntil?: number;
            messageId: string;
            model: string;
            startedAt: number;
            /** @enum {string} */
            status: "streaming" | "complete" | "error" | "aborted";
            threadId: string;
            tool_calls?: unknown;
            usage?: unknown;
            userId: string;
            workflow_state?: unknown;
            workspaceId?: string;
        };
        JobAdmission: {
            /** @description JobID is null if the admission was cancelled before it came: the host's AdmissionCancelledError. */
            jobId: string | null;
            replayed: boolean;
        };
        JobAdmissionID: {
            admissionId: string;
            userId: string;
        };
        JobAnswer: {
            content?: components["schemas"]["JobText"];
            /** @description Job is null if it does not exist, or belongs to another user. */
            job: components["schemas"]["Job"] | null;
            reasoning?: components["schemas"]["JobText"];
        };
        JobCancellation: {
            aborted: boolean;
            jobId?: string;
            /** @description Pending says that the admission has not come yet, and will be refused. */
            pending: boolean;
        };
        JobClaim: {
            /** @description JobID is absent for the next waiting job. */
            jobId?: string;
            leaseMs: number;
            owner: string;
        };
        JobCount: {
            count: number;
        };
        JobDone: {
            /** @description Done is false if it was not open, or does not belong to the caller. */
            done: boolean;
        };
        JobExecution: {
            execution: string;
            jobId: string;
            owner: string;
        };
        JobKey: {
            key: string;
            userId: string;
        };
        JobLease: {
            jobId: string;
            leaseMs: number;
            owner: string;
        };
        JobOfUser: {
            jobId: string;
            /** @description UserID is * for any user. */
            userId: string;
        };
        JobOutcome: {
            /** @description Content and Reasoning replace what has arrived; if absent, that is everything. */
            content?: string;
            /** @description Error is why it has failed. */
            error?: string;
            jobId: string;
            leaseOwner?: string;
            reasoning?: string;
        };
        JobPage: {
            /** @description Limit is 1 to 100; the default is 20. */
            limit?: number;
        };
        JobPhase: {
            /** @description From are the phases in which it is set; if absent, it is set in any. */
            from?: ("admission_pending" | "ready" | "finalization_pending" | "committed" | "superseded" | "blocked")[];
            jobId: string;
            /** @enum {string} */
            phase: "admission_pending" | "ready" | "finalization_pending" | "committed" | "superseded" | "blocked";
        };
        JobQuestion: {
            /** @description Attempt is the attempt they belong to. If it is not the current one, the texts are returned whole. */
            attempt?: number;
            jobId: string;
            /** @description Offset and ReasoningOffset are where the wanted texts begin, in UTF-16 code units. An offset beyond the end returns the whole text. */
            offset?: number;
            reasoningOffset?: number;
            /** @description UserID is * for any user. */
            userId: string;
            /** @description WithContext says that the context is wanted. */
            withContext?: boolean;
        };
        JobSnapshot: {
            jobId: string;
            leaseOwner?: string;
            snapshot: components["schemas"]["TerminalSnapshot"];
        };
        JobState: {
            /**
             * @description Status tells a worker whether the job is still wanted.
             * @enum {string}
             */
            status: "streaming" | "complete" | "error" | "aborted";
        };
        JobText: {
            /** @description From is where it begins, and Length its total length, in UTF-16 code units. */
            from: number;
            length: number;
            text: string;
        };
        JobUpdate: {
            chunksReceived?: number;
            /** @description ContentChunk and ReasoningChunk are appended. */
            contentChunk?: string;
            jobId: string;
            leaseOwner?: string;
            reasoningChunk?: string;
            /** @description ToolCalls, WorkflowState and Usage replace what was there. */
            tool_calls?: unknown;
            usage?: unknown;
            workflow_state?: unknown;
        };
        KnownUser: {
            /** @description UserID is null if the identity is unknown. */
            userId: string | null;
        };
        LimitRequest: {
            key: string;
            maxRequests: number;
            windowMs: number;
        };
        LimitStats: {
            limit: number;
            remaining: number;
            resetMs: number;
        };
        LimitVerdict: {
            allowed: boolean;
            /** @description Remaining is how many are left after this one. */
            remaining: number;
            retryAfterMs?: number;
        };
        ListedUser: {
            displayName?: string;
            email?: string;
            userId: string;
        };
        MaintenanceRun: {
            /** @description Error is why one has failed. */
            error?: string;
            /** @description LastRun is when a run succeeded, in Unix milliseconds; the default is now. */
            lastRun?: number;
        };
        /** @description MaintenanceState is what a provider's background maintenance is doing (contract, sync §10.8). It is part of the deep health answer. */
        MaintenanceState: {
            /** @description Backlog is the number of workspaces that the current or last run has left. */
            backlog: number;
            enabled: boolean;
            lastError?: string;
            /** @description LastRun is the Unix time in milliseconds at which the last complete run ended, or 0 if there was none. */
            lastRun?: number;
            /** @description State is "idle", "running" or "failed". */
            state: string;
        };
        Member: {
            email?: string;
            /** @enum {string} */
            role: "owner" | "editor" | "viewer";
            userId: string;
        };
        MemberList: {
            members: components["schemas"]["Member"][];
        };
        MemberRole: {
            /** @enum {string} */
            role: "owner" | "editor" | "viewer";
            userId: string;
            workspaceId: string;
        };
        MemberUpsert: {
            /** @description EmailOrProviderID is an address if it has an @, otherwise the id of a user at an auth provider. */
            emailOrProviderId: string;
            /** @description Provider is the auth provider; without it, any. */
            provider?: string;
            /** @enum {string} */
            role: "owner" | "editor" | "viewer";
            workspaceId: string;
        };
        NewInvite: {
            email: string;
            /** @description ExpiresAt is in Unix seconds. */
            expiresAt: number;
            invitedByUserId?: string;
            /** @enum {string} */
            role: "owner" | "editor" | "viewer";
            tokenHash: string;
            workspaceId: string;
        };
        NewJob: {
            admissionId?: string;
            /** @description Content and Reasoning are the beginnings of the texts. */
            content?: string;
            /** @description Context stays with the job until it is removed, such as how its answer gets into the history. */
            context?: unknown;
            /** @description Execution is what another worker needs to continue, encrypted by the host. */
            execution?: string;
            generationId?: string;
            /** @enum {string} */
            historyPhase?: "admission_pending" | "ready" | "finalization_pending" | "committed" | "superseded" | "blocked";
            /** @description IdempotencyKey names the job among those of the user; AdmissionID is the id to cancel it by. Each stands in for the other if that is absent. */
            idempotencyKey?: string;
            /** @enum {string} */
            kind?: "chat" | "workflow";
            leaseMs?: number;
            /** @description LeaseOwner holds the job for LeaseMS from the beginning; the default is 30 seconds. */
            leaseOwner?: string;
            /** @description MaxJobs and MaxJobsPerUser are how many may be open; the defaults are 20 and 5. */
            maxJobs?: number;
            maxJobsPerUser?: number;
            messageId?: string;
            model?: string;
            reasoning?: string;
            /** @description RetentionMS is how long a finished job is kept; the default is 24 hours. */
            retentionMs?: number;
            threadId?: string;
            /** @description TimeoutMS is the silence after which a job without a lease has failed; the default is 5 minutes. */
            timeoutMs?: number;
            tool_calls?: unknown;
            userId: string;
            workflow_state?: unknown;
            workspaceId?: string;
        };
        NewWorkspace: {
            description?: string;
            name: string;
            userId: string;
        };
        /** @description nothing is the body of an answer that only says that it was done. */
        Nothing: Record<string, never>;
        /** @description notification is or3cloud.Notification. */
        Notification: {
            body?: string;
            /** @description ID is a UUID. */
            id: string;
            threadId?: string;
            title: string;
            type: string;
            userId: string;
            workspaceId: string;
        };
        ObjectRequest: {
            hash: string;
            workspaceId: string;
        };
        OkAnswer: {
            ok: boolean;
        };
        Op: {
            /** @enum {string} */
            operation: "put" | "delete";
            payload?: unknown;
            pk: string;
            stamp: components["schemas"]["Stamp"];
            tableName: string;
        };
        OpResult: {
            applied?: boolean;
            error?: string;
            /** @enum {string} */
            errorCode?: "VALIDATION_ERROR" | "UNAUTHORIZED" | "CONFLICT" | "OVERSIZED" | "SERVER_ERROR";
            opId: string;
            /** @description Payload is that of the winning put, which Winner repeats. */
            payload?: unknown;
            replayed?: boolean;
            serverVersion?: number;
            success: boolean;
            winner?: components["schemas"]["Winner"];
        };
        /** @description overview is the host's WorkspaceSummary. Times are in Unix milliseconds. */
        Overview: {
            createdAt: number;
            deleted: boolean;
            deletedAt?: number;
            description?: string;
            id: string;
            memberCount: number;
            name: string;
            ownerEmail?: string;
            ownerUserId?: string;
        };
        OverviewAnswer: {
            /** @description Workspace is null if it never existed. */
            workspace: components["schemas"]["Overview"] | null;
        };
        OverviewPage: {
            items: components["schemas"]["Overview"][];
            total: number;
        };
        OwnedWorkspace: {
            description?: string;
            name: string;
            ownerUserId: string;
        };
        PendingHistories: {
            jobs: components["schemas"]["PendingHistory"][];
        };
        PendingHistory: {
            job: components["schemas"]["Job"];
            snapshot?: unknown;
        };
        PresignDownloadRequest: {
            /** @enum {string} */
            disposition?: "inline" | "attachment";
            expiresInMs?: number;
            filename?: string;
            hash: string;
            mimeType?: string;
            storageId?: string;
            workspaceId: string;
        };
        PresignUploadRequest: {
            /** @enum {string} */
            disposition?: "inline" | "attachment";
            expiresInMs?: number;
            hash: string;
            mimeType: string;
            sizeBytes: number;
            workspaceId: string;
        };
        Presigned: {
            /** @enum {string} */
            disposition?: "inline" | "attachment";
            /** @description ExpiresAt is in Unix milliseconds. */
            expiresAt?: number;
            headers?: {
                [key: string]: string;
            };
            method?: string;
            storageId?: string;
            /** @description URL is relative to the host's origin, or absolute. */
            url: string;
        };
        /** @description ProvenSession is or3cloud.ProviderSession. */
        ProvenSession: {
            /** @description Admitted says that no registration mode keeps the account out. */
            admitted?: boolean;
            displayName?: string;
            email?: string;
            /** @description ExpiresAt is in Unix milliseconds. */
            expiresAt: number;
            provider: string;
            sessionId?: string;
            userId: string;
        };
        PullAnswer: {
            changes: components["schemas"]["Change"][];
            hasMore: boolean;
            nextCursor: number;
            oldestRetainedVersion: number;
            requiresSnapshot: boolean;
        };
        PullRequest: {
            cursor: number;
            limit: number;
            scope: components["schemas"]["Scope"];
            tables?: string[];
        };
        PushAnswer: {
            results: components["schemas"]["OpResult"][];
            serverVersion: number;
        };
        PushRequest: {
            ops: components["schemas"]["Op"][];
            scope: components["schemas"]["Scope"];
            /** @description WorkspaceItemCapability is "v1" if the client knows the rows of workspace Files and Trash. */
            workspaceItemCapability?: string;
        };
        Revision: {
            clock: number;
            hlc: string;
            opId: string;
        };
        /** @description revocation is or3cloud.Revocation. */
        Revocation: {
            sessionId?: string;
            userId?: string;
        };
        RoleAnswer: {
            /** @description Role is null for someone who is not a member, and for a deleted or unknown workspace. */
            role: ("owner" | "editor" | "viewer") | null;
        };
        /** @description Roles are three providers. */
        Roles: {
            auth: string;
            storage: string;
            sync: string;
        };
        Scope: {
            projectId?: string;
            workspaceId: string;
        };
        SessionAnswer: {
            /** @description ReusableUntil is until when the same Cookie header proves the same, in Unix milliseconds, as long as auth/revocations is watched and reports nothing that concerns it; absent if each request has to be resolved. */
            reusableUntil?: number;
            /** @description Session is null for a browser that is not signed in. */
            session: components["schemas"]["ProvenSession"] | null;
            /** @description SetCookies must be added to the answer to the browser. */
            setCookies: string[];
        };
        SessionRequest: {
            request: components["schemas"]["BrowserRequest"];
        };
        SettingChange: {
            key: string;
            value?: string;
            workspaceId: string;
        };
        SettingKey: {
            key: string;
            workspaceId: string;
        };
        SettingValue: {
            /** @description Value is null if nothing is set. */
            value: string | null;
        };
        SetupAnswer: {
            /** @description Fragments are what follows # in one-time links that create the first account. */
            fragments: string[];
        };
        SnapshotAnswer: {
            highWatermark: number;
            items: components["schemas"]["SnapshotItem"][];
            nextPageToken: string | null;
            snapshotId: string;
            workspaceId: string;
        };
        SnapshotItem: {
            /** @description Kind is row or tombstone. */
            kind: string;
            payload?: unknown;
            pk: string;
            revision: components["schemas"]["Revision"];
            /** @description ServerDeletedAt is in Unix seconds, of a tombstone. */
            serverDeletedAt?: number;
            tableName: string;
        };
        SnapshotRequest: {
            pageSize: number;
            pageToken?: string;
            scope: components["schemas"]["Scope"];
            tables?: string[];
        };
        Stamp: {
            clock: number;
            deviceId: string;
            hlc: string;
            opId: string;
        };
        /** @description StateEvent tells a starter the state of the engine. */
        StateEvent: {
            /** @enum {string} */
            state: "starting" | "ready" | "stopping";
        };
        StorageCollectRequest: {
            limit?: number;
            retention_seconds: number;
            workspace_id: string;
        };
        /** @description StorageGCReport is the result of a run, and the answer of the GC endpoint (contract, storage §7.8). */
        StorageGCReport: {
            deleted_count: number;
            reason?: string;
            scanned_count: number;
            /** @description "completed" or "disabled" */
            status: string;
        };
        /** @description SyncCapabilities are flags that tell a host what an adapter supports (contract, sync §10.5, §10.8). */
        SyncCapabilities: {
            backgroundGenerationHistory?: string;
            /** @description CanonicalChatHistory is "v1" for a ChatHistoryReader, and BackgroundGenerationHistory for a GenerationHistory. */
            canonicalChatHistory?: string;
            /** @description "snapshot-v1" */
            historyRetention?: string;
            /** @description "snapshot-v1" */
            snapshotBootstrap?: string;
            /** @description "v1" */
            workspaceItems?: string;
        };
        /** @description terminalSnapshot is the host's TerminalGenerationSnapshot. */
        TerminalSnapshot: {
            /** @description CompletedAt is in Unix milliseconds; the default is now. */
            completedAt?: number;
            content?: string;
            error?: string;
            reasoning?: string;
            /** @enum {string} */
            status: "streaming" | "complete" | "error" | "aborted";
            toolCalls?: unknown;
            usage?: unknown;
        };
        TokenAnswer: {
            setCookies: string[];
            /** @description Token is null if there is none. */
            token: string | null;
        };
        TokenRequest: {
            providerId: string;
            request: components["schemas"]["BrowserRequest"];
            template?: string;
        };
        /** @description Transfer is what a signed URL permits: the transfer of one content by one user. */
        Transfer: {
            hash: string;
            /** @description Upload is true for an upload and false for a download. */
            upload: boolean;
            userId: string;
            workspaceId: string;
        };
        TransferRequest: {
            /** @description the parameter of that name of a signed URL */
            token?: string;
        };
        UploadIntent: {
            /** @description ExpiresAt is in Unix seconds. Where an intent is consumed, it is until when the content counts although no row names it; the default is the retention of files. */
            expiresAt?: number;
            hash: string;
            /** @description IntentID may be absent where an intent is consumed. */
            intentId?: string;
            sizeBytes?: number;
            /** @description UserQuotaBytes defaults to that of the configuration. */
            userQuotaBytes?: number;
            workspaceId: string;
            workspaceQuotaBytes?: number;
            workspaceQuotaFiles?: number;
        };
        /** @description User is a signed-in user, as the host's session context has it. */
        User: {
            /** @description ID is the internal id of the workspace store. */
            id: string;
            /** @description Provider, ProviderUserID and SessionID are those of the session that the auth provider has proven. They make a long upload end when the session does. */
            provider?: string;
            providerUserId?: string;
            /** @enum {string} */
            role?: "owner" | "editor" | "viewer";
            sessionId?: string;
            /** @description WorkspaceID and Role are those of the session context. They are trusted where the host keeps the workspaces itself. */
            workspaceId?: string;
        };
        UserID: {
            userId: string;
        };
        UserList: {
            users: components["schemas"]["ListedUser"][];
        };
        UserSearch: {
            /** @description Limit is 1 to 100; the default is 20. */
            limit?: number;
            query?: string;
        };
        VersionEvent: {
            serverVersion: number;
            workspaceId: string;
        };
        /** @description Versions is a range of versions of the protocol. */
        Versions: {
            current: number;
            oldest: number;
        };
        Winner: {
            kind: string;
            payload?: unknown;
            revision: components["schemas"]["Revision"];
            /** @description ServerDeletedAt is in Unix seconds. */
            serverDeletedAt?: number;
        };
        Workspace: {
            /** @description CreatedAt is in Unix milliseconds. */
            createdAt: number;
            description?: string;
            id: string;
            isActive: boolean;
            name: string;
            /** @enum {string} */
            role: "owner" | "editor" | "viewer";
        };
        WorkspaceID: {
            workspaceId: string;
        };
        WorkspaceIDPage: {
            /** @description After is the last id of the previous page; absent for the first. */
            after?: string;
        };
        WorkspaceIDs: {
            /** @description WorkspaceIDs is empty after the last page. */
            workspaceIds: string[];
        };
        WorkspaceList: {
            workspaces: components["schemas"]["Workspace"][];
        };
        WorkspaceListing: {
            includeDeleted?: boolean;
            /** @description Page is 1 for the first. */
            page: number;
            perPage: number;
            /** @description Search is contained in the name or the description, ignoring case. */
            search?: string;
        };
        WorkspaceOfUser: {
            userId: string;
            workspaceId: string;
        };
        WorkspaceSearch: {
            /** @description IDOrName is an id or a full name; empty finds all. */
            idOrName?: string;
            limit: number;
        };
        WorkspaceSummaries: {
            workspaces: components["schemas"]["WorkspaceSummary"][];
        };
        /** @description WorkspaceSummary is a workspace, as the operator sees it. */
        WorkspaceSummary: {
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description DeletedAt is zero unless the workspace was deleted.
             */
            deletedAt?: string;
            description?: string;
            id: string;
            members: number;
            name: string;
            /** @description Owner is the e-mail address of the owner who has been a member the longest. It is empty if unknown. */
            owner?: string;
            /** @description OwnerUserID is the id of that owner. It is empty if there is none. */
            ownerUserId?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    hello: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Introduction"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Hello"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/create-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OwnedWorkspace"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkspaceID"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/find-workspaces": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceSearch"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkspaceSummaries"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/get-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OverviewAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/list-members": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MemberList"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/list-workspaces": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceListing"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OverviewPage"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/remove-member": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceOfUser"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/restore-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/search-users": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserSearch"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserList"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/set-member-role": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MemberRole"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/soft-delete-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "access/upsert-member": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MemberUpsert"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserID"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "admin/run-action": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AdminActionRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AdminActionAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "admin/status": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AdminStatusRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AdminStatus"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "admins/grant": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AdminGrant"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "admins/is-admin": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IsAdmin"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "admins/list": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AdminList"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "admins/revoke": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "auth/check-session": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CheckSessionRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CheckSessionAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "auth/revocations": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "auth/session": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "auth/setup": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SetupAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "auth/token": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/abort": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobOfUser"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDone"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/cancel-admission": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobAdmissionID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobCancellation"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/claim": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobClaim"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClaimedJob"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/cleanup-expired": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobCount"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/complete": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobOutcome"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDone"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/count-active": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobCount"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/create": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewJob"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobAdmission"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/fail": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobOutcome"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDone"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/find-by-idempotency-key": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobKey"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/get": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobQuestion"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/get-pending-history": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobPage"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PendingHistories"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/renew-lease": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobLease"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDone"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/save-terminal-snapshot": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobSnapshot"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDone"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/set-history-phase": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobPhase"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDone"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/update": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobUpdate"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobState"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "jobs/update-execution": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobExecution"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobDone"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "limits/check-and-record": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LimitRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LimitVerdict"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "limits/get-stats": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LimitRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LimitStats"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "notifications/notify": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Notification"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "settings/get": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SettingKey"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SettingValue"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "settings/set": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SettingChange"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    stay: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "storage/commit": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CommitRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CommitAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "storage/delete-object": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ObjectRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "storage/gc": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StorageCollectRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StorageGCReport"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "storage/presign-download": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PresignDownloadRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Presigned"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "storage/presign-upload": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PresignUploadRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Presigned"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "storage/read-transfer": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TransferRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Transfer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/admit-chat-generation": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AdmissionEnvelope"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Admitted"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/begin-maintenance-run": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MaintenanceRun"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/cancel-upload-intent": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["IntentOfWorkspace"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/complete-maintenance-run": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MaintenanceRun"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/consume-upload-intent": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UploadIntent"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/events": {
        parameters: {
            query: {
                workspaceId: string;
            };
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/fail-maintenance-run": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MaintenanceRun"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/finalize-chat-generation": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FinalizeRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Finalized"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/gc-change-log": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CollectRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/gc-tombstones": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CollectRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/maintenance-state": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MaintenanceState"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/pull": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PullRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PullAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/push": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PushRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PushAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/query-canonical-storage": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CanonicalRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CanonicalAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/read-chat-history": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChatRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/reserve-upload-intent": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UploadIntent"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/snapshot": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SnapshotRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SnapshotAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "sync/update-cursor": {
        parameters: {
            query?: never;
            header: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CursorRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OkAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/accept-invite": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InviteAcceptance"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InviteVerdict"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/check-deployment-admin": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["IdentityRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AdminAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/create-invite": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewInvite"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InviteID"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/create-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewWorkspace"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkspaceID"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/get-or-create-default-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DefaultWorkspace"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/get-or-create-user": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["IdentityRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserID"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/get-user": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["IdentityRequest"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KnownUser"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/get-workspace-role": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceOfUser"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoleAnswer"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/list-invites": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InviteFilter"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InviteList"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/list-user-workspaces": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserID"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkspaceList"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/list-workspace-ids": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceIDPage"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkspaceIDs"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/remove-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceOfUser"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/revoke-invite": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InviteOfWorkspace"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/set-active-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkspaceOfUser"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/update-workspace": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangedWorkspace"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Nothing"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
    "workspaces/validate-invite": {
        parameters: {
            query?: never;
            header?: {
                /** @description encodeURIComponent of the JSON of this. */
                "Or3-Engine-Caller"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InviteQuestion"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InviteVerdict"];
                };
            };
            /** @description An error. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fault"];
                };
            };
        };
    };
}
