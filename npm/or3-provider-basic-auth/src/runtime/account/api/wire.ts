import type {
  AuthenticationResponseJSON, PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON, RegistrationResponseJSON,
} from '@simplewebauthn/browser'
import type { components } from './schema'

type Schemas = components['schemas']

/** The bodies of the account endpoints, as docs/contract/openapi.yaml describes them. Times are ISO 8601 in UTC. */

/** An older server may say less about a session. */
export type Session = Pick<Schemas['Session'], 'authenticated'> & Partial<Pick<Schemas['Session'], 'provider' | 'user'>>
/** What became of a silent renewal; `ended` is told once, where something has ended the session of this browser. */
export type Renewal = Schemas['RefreshAnswer']
/** A server that does not know of passkeys says nothing about them. */
export type Config = Omit<Schemas['AccountConfig'], 'passkeys'> & Partial<Pick<Schemas['AccountConfig'], 'passkeys'>>
export type LinkQuestion = Schemas['LinkQuestion']
export type LinkAnswer = Schemas['LinkAnswer']
export type AccountDetails = Schemas['AccountDetails']
export type Passkey = Schemas['Passkey']
export type Device = Schemas['AccountSession']
/** What the server knows a browser by, as far as its user agent tells. */
export type DeviceParts = Schemas['Device']
export type SecurityEvent = Schemas['SecurityEvent']
export type OwnWorkspace = Schemas['WorkspaceFate']
export type Workspace = Schemas['Workspace']
export type SignIn = Schemas['SignIn']
export type Registration = Schemas['Registration']
export type PasswordChange = Schemas['PasswordChange']
export type PasswordReset = Schemas['PasswordReset']

export type FactorMethod = 'totp' | 'passkey' | 'recovery_code'

/** A second step that is due: it comes as the refusal of a right password. */
export interface FactorChallenge {
  challenge: string
  methods: FactorMethod[]
  publicKey?: PublicKeyCredentialRequestOptionsJSON
  /** The domains of passkeys that are not asked for, because they cannot be used here. */
  otherDomains?: string[]
}

/** What follows has parts that browsers make and read, in the types of the library that hands them over. */
export interface PasskeyRequest { challenge: string, publicKey: PublicKeyCredentialRequestOptionsJSON }
export interface PasskeyCreation { challenge: string, publicKey: PublicKeyCredentialCreationOptionsJSON }

export interface PasskeyProof { challenge: string, credential: AuthenticationResponseJSON }
/** The second step of a sign-in, by one of the methods of its challenge. */
export type FactorProof = { challenge: string, code: string } | { challenge: string, recoveryCode: string } | PasskeyProof

export interface PasskeyAttestation { challenge: string, name: string, credential: RegistrationResponseJSON }
