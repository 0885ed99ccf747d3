// Made from docs/contract/openapi.yaml by "make generate". Do not edit.
/* eslint-disable */
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The request has done what it asked for. */
        Done: {
            /** @constant */
            ok: true;
        };
        /**
         * @description What a member may do: a viewer reads, an editor writes as well, an owner manages the workspace as well.
         * @enum {string}
         */
        Role: "owner" | "editor" | "viewer";
        /**
         * @description The digest of a content: `sha256:` and 64 hex digits. Old clients also send `md5:` and 32, or 32 alone.
         * @example sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
         */
        Hash: string;
        SessionAnswer: {
            /** @description Null says that no one is signed in. Clients clean up after it, so trouble is answered with an error instead. */
            session: components["schemas"]["Session"] | null;
            /** @description Whether the user may read their active workspace. */
            appAccessAllowed: boolean;
            /**
             * @description The server keeps the rows of workspace Files and Trash.
             * @constant
             */
            workspaceItemCapability?: "v1";
        };
        /** @description Who is signed in, and their active workspace. */
        Session: {
            /** @constant */
            authenticated: true;
            provider: string;
            providerUserId: string;
            user: components["schemas"]["SessionUser"];
            workspace: components["schemas"]["SessionWorkspace"];
            role: components["schemas"]["Role"];
            /** Format: date-time */
            expiresAt: string;
            deploymentAdmin: boolean;
            /** @description Always empty. */
            entitlements: string[];
        };
        SessionUser: {
            id: string;
            email?: string;
            displayName?: string;
        };
        SessionWorkspace: {
            id: string;
            name: string;
        };
        Scope: {
            workspaceId: string;
            /** @description Not used. */
            projectId?: string | null;
        };
        /** @description What orders the writes of a row: the greatest `clock`, then `hlc`, then `opId` wins. */
        Stamp: {
            deviceId: string;
            /**
             * Format: uuid
             * @description Names the write; sent again, it changes nothing.
             */
            opId: string;
            /** @description A hybrid logical clock. */
            hlc: string;
            /** @description Counts the writes of the row. */
            clock: number;
        };
        /** @description The part of a stamp that orders writes. */
        Revision: {
            clock: number;
            hlc: string;
            opId: string;
        };
        /** @description One write. The last five members are the bookkeeping of clients, which the server ignores. */
        PendingOp: {
            /** @description One of the seven synced tables. */
            tableName: string;
            /** @enum {string} */
            operation: "put" | "delete";
            pk: string;
            /** @description The row, which a put needs. Unknown members are kept. */
            payload?: unknown;
            stamp: components["schemas"]["Stamp"];
            id?: string;
            createdAt?: number;
            attempts?: number;
            nextAttemptAt?: number;
            status?: string;
        };
        PushRequest: {
            scope: components["schemas"]["Scope"];
            /** @description At most 1,000. Each is judged alone. */
            ops: components["schemas"]["PendingOp"][];
            /**
             * @description The client knows files of any kind.
             * @enum {unknown}
             */
            fileKindCapability?: "v1" | null;
            /**
             * @description The client knows workspace Files and Trash.
             * @enum {unknown}
             */
            workspaceItemCapability?: "v1" | null;
        };
        /** @description What became of one write. */
        OpResult: {
            opId: string;
            success: boolean;
            /** @description The version of the write, if it succeeded. */
            serverVersion?: number;
            error?: string;
            errorCode?: components["schemas"]["OpErrorCode"];
            /** @description Whether the write won. False never comes without a winner. */
            applied?: boolean;
            /**
             * @description The server already had the write.
             * @constant
             */
            replayed?: true;
            /** @description The row that won, where `winner` is a put. */
            payload?: {
                [key: string]: unknown;
            };
            /** @description The write that won instead. */
            winner?: components["schemas"]["Winner"];
        };
        /**
         * @description Why a write was refused.
         * @enum {string}
         */
        OpErrorCode: "VALIDATION_ERROR" | "UNAUTHORIZED" | "CONFLICT" | "OVERSIZED" | "SERVER_ERROR";
        /** @description The write by which a row is what it is. */
        Winner: {
            /** @constant */
            kind: "put";
            payload: {
                [key: string]: unknown;
            };
            revision: components["schemas"]["Revision"];
        } | {
            /** @constant */
            kind: "delete";
            revision: components["schemas"]["Revision"];
            /** @description Unix seconds. */
            serverDeletedAt?: number;
        };
        PushAnswer: {
            /** @description One for each write, in the order of the request. */
            results: components["schemas"]["OpResult"][];
            /** @description The version of the workspace. */
            serverVersion: number;
        };
        PullRequest: {
            scope: components["schemas"]["Scope"];
            /** @description The version up to which the client has all changes. */
            cursor: number;
            limit: number;
            /** @description Only these tables. Names of other tables match nothing. */
            tables?: string[] | null;
            /** @enum {unknown} */
            fileKindCapability?: "v1" | null;
            /** @enum {unknown} */
            workspaceItemCapability?: "v1" | null;
        };
        Change: {
            serverVersion: number;
            tableName: string;
            pk: string;
            /** @enum {string} */
            op: "put" | "delete";
            /** @description As it was pushed. */
            payload?: unknown;
            stamp: components["schemas"]["Stamp"];
        };
        PullAnswer: {
            /** @description Winning writes alone, in the order of their versions. */
            changes: components["schemas"]["Change"][];
            nextCursor: number;
            hasMore: boolean;
            /** @description The oldest version whose change is still kept. */
            oldestRetainedVersion: number;
            /** @description The client has missed deletions that are no longer kept, and needs a snapshot. */
            requiresSnapshot: boolean;
        };
        SnapshotRequest: {
            scope: components["schemas"]["Scope"];
            pageSize: number;
            /** @description That of the last page; none for the first. */
            pageToken?: string | null;
            tables?: string[] | null;
            /** @enum {unknown} */
            fileKindCapability?: "v1" | null;
            /** @enum {unknown} */
            workspaceItemCapability?: "v1" | null;
        };
        /** @description A row of a snapshot, or what is left of a deleted one. */
        SnapshotItem: {
            /** @constant */
            kind: "row";
            tableName: string;
            pk: string;
            payload: {
                [key: string]: unknown;
            };
            revision: components["schemas"]["Revision"];
        } | {
            /** @constant */
            kind: "tombstone";
            tableName: string;
            pk: string;
            revision: components["schemas"]["Revision"];
            /** @description Unix seconds. */
            serverDeletedAt: number;
        };
        SnapshotAnswer: {
            items: components["schemas"]["SnapshotItem"][];
            workspaceId: string;
            /** @description The same on all pages. */
            snapshotId: string;
            /** @description The cursor from which to pull afterwards. */
            highWatermark: number;
            /** @description Null on the last page. */
            nextPageToken: string | null;
        };
        CursorUpdate: {
            scope: components["schemas"]["Scope"];
            deviceId: string;
            version: number;
        };
        SyncCollection: {
            scope: components["schemas"]["Scope"];
            /** @description A wish: the server keeps what its own retention covers. */
            retentionSeconds: number;
        };
        PresignUpload: {
            workspace_id: string;
            hash: components["schemas"]["Hash"];
            mime_type: string;
            size_bytes: number;
            /** @description A wish. */
            expires_in_ms?: number | null;
            /** @description `inline` or `attachment`. */
            disposition?: string | null;
            /** @enum {unknown} */
            file_kind_capability?: "v1" | null;
        };
        PresignDownload: {
            workspace_id: string;
            hash: components["schemas"]["Hash"];
            /** @description A hint. */
            storage_id?: string | null;
            mime_type?: string | null;
            /** @description A wish. */
            expires_in_ms?: number | null;
            /** @description `inline` or `attachment`. */
            disposition?: string | null;
            /** @enum {unknown} */
            file_kind_capability?: "v1" | null;
        };
        Presigned: {
            /** @description Where the content travels, relative to the server or absolute. */
            url: string;
            /** @description Unix milliseconds. */
            expiresAt?: number;
            /** @enum {string} */
            disposition?: "inline" | "attachment";
            method?: string;
            /** @description To be sent along. */
            headers?: {
                [key: string]: string;
            };
            storageId?: string;
            /** @description The room that is reserved for the upload. */
            intentId?: string;
        };
        Commit: {
            workspace_id: string;
            hash: components["schemas"]["Hash"];
            storage_id: string;
            storage_provider_id: string;
            mime_type: string;
            size_bytes: number;
            name: string;
            /** @enum {string} */
            kind: "image" | "pdf" | "file";
            width?: number | null;
            height?: number | null;
            page_count?: number | null;
            intent_id?: string | null;
            expires_in_ms?: number | null;
            disposition?: string | null;
            /** @enum {unknown} */
            file_kind_capability?: "v1" | null;
        };
        BlobDeletion: {
            workspace_id: string;
            hash: components["schemas"]["Hash"];
            /** @description A hint. */
            storage_id?: string | null;
        };
        StorageCollection: {
            workspace_id: string;
            /** @description The configured retention if it is left out. */
            retention_seconds?: number | null;
            /** @description How many files may go. */
            limit?: number | null;
        };
        StorageCollected: {
            deleted_count: number;
            scanned_count: number;
            /** @enum {string} */
            status: "completed" | "disabled";
            reason?: string;
        };
        Uploaded: {
            /** @constant */
            ok: true;
            storage_id: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
