import type {
  AuthenticationResponseJSON, PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON, RegistrationResponseJSON,
} from '@simplewebauthn/browser'
import type { components } from './schema'

type Schemas = components['schemas']

/** The bodies of the account endpoints, as docs/contract/openapi.yaml describes them. Times are ISO 8601 in UTC. */

/** Older servers may return less about a session. */
export type Session = Pick<Schemas['Session'], 'authenticated'> & Partial<Pick<Schemas['Session'], 'provider' | 'user'>>
/** The result of a silent renewal; `ended` is sent once, if something has ended the session of this browser. */
export type Renewal = Schemas['RefreshAnswer']
/** Absent if the server does not know about passkeys. */
export type Config = Omit<Schemas['AccountConfig'], 'passkeys'> & Partial<Pick<Schemas['AccountConfig'], 'passkeys'>>
export type LinkQuestion = Schemas['LinkQuestion']
export type LinkAnswer = Schemas['LinkAnswer']
export type AccountDetails = Schemas['AccountDetails']
export type Passkey = Schemas['Passkey']
export type Device = Schemas['AccountSession']
/** What the server knows about a browser from its user agent. */
export type DeviceParts = Schemas['Device']
export type SecurityEvent = Schemas['SecurityEvent']
export type OwnWorkspace = Schemas['WorkspaceFate']
export type Workspace = Schemas['Workspace']
export type SignIn = Schemas['SignIn']
export type Registration = Schemas['Registration']
export type PasswordChange = Schemas['PasswordChange']
export type PasswordReset = Schemas['PasswordReset']

export type FactorMethod = 'totp' | 'passkey' | 'recovery_code'

/** A required second step: it comes as the refusal of a correct password. */
export interface FactorChallenge {
  challenge: string
  methods: FactorMethod[]
  publicKey?: PublicKeyCredentialRequestOptionsJSON
  /** The domains of passkeys that are not requested, because they cannot be used here. */
  otherDomains?: string[]
}

/** The following types have parts that browsers create and read; these have the types of the passkey library. */
export interface PasskeyRequest { challenge: string, publicKey: PublicKeyCredentialRequestOptionsJSON }
export interface PasskeyCreation { challenge: string, publicKey: PublicKeyCredentialCreationOptionsJSON }

export interface PasskeyProof { challenge: string, credential: AuthenticationResponseJSON }
/** The second step of a sign-in, by one of the methods of its challenge. */
export type FactorProof = { challenge: string, code: string } | { challenge: string, recoveryCode: string } | PasskeyProof

export interface PasskeyAttestation { challenge: string, name: string, credential: RegistrationResponseJSON }
