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
         * @description The state of an invite.
         * @enum {string}
         */
        InviteStatus: "pending" | "accepted" | "revoked" | "expired";
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
        Workspace: {
            id: string;
            name: string;
            description: string | null;
            role: components["schemas"]["Role"];
            /** @description Unix seconds. */
            createdAt: number;
            isActive: boolean;
        };
        /** @description The workspaces of a user, the newest first. Beyond 8 MiB the oldest are left out. */
        WorkspaceList: {
            workspaces: components["schemas"]["Workspace"][];
        };
        WorkspaceTexts: {
            /** @description 1 to 100 UTF-16 units, without the space around them. */
            name: string;
            /** @description At most 1,000 UTF-16 units. Left out, null or blank, it is cleared. */
            description?: string | null;
        };
        WorkspaceId: {
            id: string;
        };
        Member: {
            userId: string;
            email?: string;
            role: components["schemas"]["Role"];
        };
        MemberList: {
            members: components["schemas"]["Member"][];
        };
        MemberRoleChange: {
            /** @description The active workspace if it is left out. */
            workspaceId?: string | null;
            userId: string;
            role: components["schemas"]["Role"];
        };
        MemberRemoval: {
            /** @description The active workspace if it is left out. */
            workspaceId?: string | null;
            userId: string;
        };
        /** @description An invite without its token, of which nothing is kept. */
        Invite: {
            id: string;
            email: string;
            role: components["schemas"]["Role"];
            status: components["schemas"]["InviteStatus"];
            /** @description Unix seconds. */
            createdAt: number;
            /** @description Unix seconds. */
            expiresAt: number;
        };
        InviteList: {
            invites: components["schemas"]["Invite"][];
        };
        InviteRevocation: {
            /** @description The active workspace if it is left out. */
            workspaceId?: string | null;
            inviteId: string;
        };
        /**
         * @description Who may make an account.
         * @enum {string}
         */
        RegistrationMode: "open" | "invite_only" | "disabled";
        /** @description What account pages need to know before anyone has signed in. */
        AccountConfig: {
            registration: components["schemas"]["RegistrationMode"];
            /** @description The server sends mail. */
            mail: boolean;
            /** @description Browsers can use passkeys at this address. */
            passkeys: boolean;
            /** @description The domain at which browsers use them, and below it. */
            passkeyDomain?: string;
            passwordMinLength: number;
            /** @description There is no account yet; the setup link makes the first one. */
            setupRequired: boolean;
        };
        LinkQuestion: {
            /** @enum {string} */
            kind: "setup" | "invite" | "reset" | "confirm-email";
            token: string;
        };
        /** @description What a one-time link is good for. Only a valid invite tells more than its state. */
        LinkAnswer: {
            /** @enum {string} */
            state: "valid" | "used" | "expired" | "revoked" | "invalid" | "ignored";
            email?: string;
            role?: components["schemas"]["Role"];
            /** @description The name of the workspace. */
            workspace?: string;
            invitedBy?: string;
            /** Format: date-time */
            expiresAt?: string;
        };
        SignIn: {
            email: string;
            password: string;
        };
        SignedIn: {
            /** @constant */
            ok: true;
            /** @description The domains of passkeys that were not asked for, because they cannot be used here. */
            otherDomains?: string[];
        };
        RefreshAnswer: {
            /** @description False, where `silent` asked for it: no one is signed in. */
            ok: boolean;
            /** @description The event of the account that has ended the session, where `why` asked for it. */
            ended?: string;
        };
        Registration: {
            email: string;
            password: string;
            confirmPassword: string;
            /** @description 1 to 120 UTF-16 units, without the space around them. */
            displayName?: string;
            /** @description The token of an invite or of the setup link. */
            inviteToken?: string;
        };
        PasswordChange: {
            currentPassword: string;
            newPassword: string;
            confirmNewPassword: string;
            /** @description This browser gets a new session in the same answer. */
            keepSession?: boolean;
        };
        PasswordReset: {
            token: string;
            newPassword: string;
            confirmNewPassword: string;
        };
        EmailAddress: {
            email: string;
        };
        EmailChanged: {
            /** @constant */
            ok: true;
            /** @description The new address has to confirm first. */
            pending: boolean;
        };
        EmailConfirmed: {
            /** @constant */
            ok: true;
            email: string;
        };
        Token: {
            token: string;
        };
        DisplayName: {
            /** @description 1 to 120 UTF-16 units, without the space around them. */
            displayName: string;
        };
        /** @description What the server knows a browser by, as far as its user agent tells. */
        Device: {
            browser?: string;
            system?: string;
            /** @enum {string} */
            kind?: "phone" | "tablet" | "computer";
        };
        AccountDetails: {
            account: components["schemas"]["AccountSummary"];
            /** @description The browser that asks. */
            device?: components["schemas"]["Device"];
            totp: components["schemas"]["TotpState"];
            recoveryCodesLeft: number;
            passkeys: components["schemas"]["Passkey"][];
            secondFactorDemand?: components["schemas"]["SecondFactorDemand"];
        };
        AccountSummary: {
            id: string;
            email: string;
            displayName?: string;
            /** Format: date-time */
            createdAt: string;
            /** @description The new address that has not confirmed yet. */
            pendingEmail?: string;
        };
        /** @description Whether an authenticator app is set up. */
        TotpState: {
            enabled: boolean;
            /** Format: date-time */
            enabledAt?: string;
        };
        /** @description The second factor that the operator demands; absent if none is. */
        SecondFactorDemand: {
            /** @description The account has a second factor. */
            met: boolean;
            /**
             * Format: date-time
             * @description From when on nothing works without one.
             */
            due: string;
            /** @description This is so now. */
            restricted: boolean;
        };
        Passkey: {
            id: string;
            name: string;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            lastUsedAt?: string;
            /** @description The domain of a passkey that cannot be used, because the server has another one now. */
            otherDomain?: string;
        };
        /** @description A browser in which the user is signed in. */
        AccountSession: {
            id: string;
            current: boolean;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            lastSeenAt: string;
            ipAddress?: string;
            userAgent?: string;
            device?: components["schemas"]["Device"];
        };
        AccountSessionList: {
            /** @description The current one first, then the most recently used. */
            sessions: components["schemas"]["AccountSession"][];
        };
        SessionId: {
            id: string;
        };
        SessionsRevoked: {
            /** @constant */
            ok: true;
            revoked: number;
        };
        /** @description Something that happened to the account. What the operator did has neither address nor browser. */
        SecurityEvent: {
            /** @description Open: a newer server may record more. */
            kind: string;
            /** Format: date-time */
            at: string;
            ipAddress?: string;
            userAgent?: string;
            device?: components["schemas"]["Device"];
        };
        SecurityEventList: {
            /** @description The newest 50, the newest first. */
            events: components["schemas"]["SecurityEvent"][];
        };
        /** @description What the deletion of an account does to a workspace. It is refused while one is `blocked`. */
        WorkspaceFate: {
            id: string;
            name: string;
            /** @description How many others are in it. */
            members: number;
            /** @enum {string} */
            fate: "deleted" | "left" | "blocked";
            /**
             * Format: date-time
             * @description When the retention of the files of a deleted workspace ends.
             */
            filesKeptUntil?: string;
        };
        DeletionPreview: {
            workspaces: components["schemas"]["WorkspaceFate"][];
        };
        /** @description The answer to a second step: one of the three. */
        FactorProof: {
            challenge: string;
            code: string;
        } | {
            challenge: string;
            recoveryCode: string;
        } | components["schemas"]["PasskeyProof"];
        /** @description A proof of who one is: a password or a passkey. */
        Reauthentication: {
            password: string;
        } | components["schemas"]["PasskeyProof"];
        PasskeyProof: {
            challenge: string;
            credential: components["schemas"]["PasskeyCredential"];
        };
        PasskeyAttestation: {
            challenge: string;
            /** @description 1 to 60 UTF-16 units, without the space around them. */
            name: string;
            credential: components["schemas"]["PasskeyCredential"];
        };
        /** @description The JSON form of a `PublicKeyCredential` (Web Authentication, `toJSON`). */
        PasskeyCredential: {
            [key: string]: unknown;
        };
        /** @description What `PublicKeyCredential.parseRequestOptionsFromJSON` reads. */
        PasskeyRequestOptions: {
            [key: string]: unknown;
        };
        /** @description What `PublicKeyCredential.parseCreationOptionsFromJSON` reads. */
        PasskeyCreationOptions: {
            [key: string]: unknown;
        };
        PasskeyRequest: {
            challenge: string;
            publicKey: components["schemas"]["PasskeyRequestOptions"];
        };
        PasskeyCreation: {
            challenge: string;
            publicKey: components["schemas"]["PasskeyCreationOptions"];
        };
        PasskeyName: {
            id: string;
            /** @description 1 to 60 UTF-16 units, without the space around them. */
            name: string;
        };
        PasskeyId: {
            id: string;
        };
        TotpEnrolment: {
            /** @description Base32. */
            secret: string;
            /** @description `otpauth:`, for a QR code. */
            uri: string;
        };
        Code: {
            code: string;
        };
        FactorAdded: {
            /** @constant */
            ok: true;
            /** @description With the first factor only. */
            recoveryCodes?: string[];
        };
        PasskeyAdded: {
            /** @constant */
            ok: true;
            passkey: components["schemas"]["Passkey"];
            /** @description With the first factor only. */
            recoveryCodes?: string[];
        };
        RecoveryCodes: {
            /** @description Ten, each good for one use. The old ones are worthless. */
            recoveryCodes: string[];
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
