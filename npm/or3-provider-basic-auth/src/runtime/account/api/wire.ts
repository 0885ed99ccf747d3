import type {
  AuthenticationResponseJSON, PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON, RegistrationResponseJSON,
} from '@simplewebauthn/browser'

/** The answers of the account endpoints. Times are ISO 8601 in UTC. */

export interface Session {
  authenticated: boolean
  provider?: string
  user?: { id: string, email?: string, displayName?: string }
}

/** What became of a silent renewal; `ended` is told once, where something has ended the session of this browser. */
export interface Renewal { ok: boolean, ended?: string }

/** A workspace of whoever is signed in. */
export interface Workspace {
  id: string
  name: string
  role: string
  isActive: boolean
}

export interface Config {
  registration: 'open' | 'invite_only' | 'disabled'
  mail: boolean
  /** Absent of a server that knows of none. */
  passkeys?: boolean
  /** The domain at which browsers use the passkeys of this server, and below it. */
  passkeyDomain?: string
  passwordMinLength: number
  setupRequired: boolean
}

/** What a one-time link is good for. Only a good invite tells more. */
export interface LinkAnswer {
  state: 'valid' | 'used' | 'expired' | 'revoked' | 'invalid' | 'ignored'
  email?: string
  role?: string
  workspace?: string
  invitedBy?: string
  expiresAt?: string
}

export interface Passkey {
  id: string
  name: string
  createdAt: string
  lastUsedAt?: string
  /** The domain of a passkey that cannot be used, because the server has another one now. */
  otherDomain?: string
}

/** What the server knows a browser by, as far as its user agent tells. */
export interface DeviceParts { browser?: string, system?: string, kind?: string }

export interface AccountDetails {
  account: { id: string, email: string, displayName?: string, createdAt: string, pendingEmail?: string }
  /** This browser. */
  device?: DeviceParts
  totp: { enabled: boolean, enabledAt?: string }
  recoveryCodesLeft: number
  passkeys: Passkey[]
  /** The second step that the server demands; absent if it demands none. Nothing else works without one from `due` on. */
  secondFactorDemand?: { met: boolean, due: string, restricted: boolean }
}

export interface Device {
  id: string
  current: boolean
  createdAt: string
  lastSeenAt: string
  ipAddress?: string
  userAgent?: string
  device?: DeviceParts
}

/** Something that happened to the account; `kind` is open, since a newer server may record more. */
export interface SecurityEvent {
  kind: string
  at: string
  ipAddress?: string
  userAgent?: string
  device?: DeviceParts
}

export interface OwnWorkspace {
  id: string
  name: string
  members: number
  fate: 'deleted' | 'left' | 'blocked'
  /** Until when the files of a workspace that is deleted are kept, before they are erased. */
  filesKeptUntil?: string
}

export type FactorMethod = 'totp' | 'passkey' | 'recovery_code'

/** A second step that is due: it comes as the refusal of a right password. */
export interface FactorChallenge {
  challenge: string
  methods: FactorMethod[]
  publicKey?: PublicKeyCredentialRequestOptionsJSON
  /** The domains of passkeys that are not asked for, because they cannot be used here. */
  otherDomains?: string[]
}

export interface PasskeyRequest { challenge: string, publicKey: PublicKeyCredentialRequestOptionsJSON }
export interface PasskeyCreation { challenge: string, publicKey: PublicKeyCredentialCreationOptionsJSON }

export interface PasskeyProof { challenge: string, credential: AuthenticationResponseJSON }
/** The second step of a sign-in, by one of the methods of its challenge. */
export type FactorProof = { challenge: string, code: string } | { challenge: string, recoveryCode: string } | PasskeyProof

export interface PasskeyAttestation { challenge: string, name: string, credential: RegistrationResponseJSON }

export interface SignIn { email: string, password: string }
export interface Registration { email: string, password: string, confirmPassword: string, displayName?: string, inviteToken?: string }
export interface PasswordChange { currentPassword: string, newPassword: string, confirmNewPassword: string }
export interface PasswordReset { token: string, newPassword: string, confirmNewPassword: string }
export interface RecoveryCodes { recoveryCodes?: string[] }
