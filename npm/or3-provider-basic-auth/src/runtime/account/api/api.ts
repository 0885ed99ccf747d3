import { isOr3Error } from './error'
import { createRequest, type Request, type RequestOptions, type RequestSettings } from './request'
import type { components } from './schema'
import type {
  AccountDetails, Config, FactorProof, LinkAnswer, LinkQuestion, PasskeyAttestation, PasskeyCreation, PasskeyProof, PasskeyRequest, PasswordChange,
  PasswordReset, Registration, Renewal, Session, SignIn,
} from './wire'

type Schemas = components['schemas']
type Done = Schemas['Done']

export interface ApiSettings extends RequestSettings {
  /** Called when the server says that the session has expired; if it returns true, the call is repeated once. */
  renew?: () => Promise<boolean>
}

/** A server without the account pages has no configuration, so only what every server can do is offered. */
const plainConfig: Config = { registration: 'open', mail: false, passwordMinLength: 8, setupRequired: false }

/** createApi is the typed form of the account endpoints. */
export function createApi({ renew, ...settings }: ApiSettings) {
  const request = createRequest(settings)
  const out = below(request)
  const renewed = renewing(request, renew)
  const signedIn = below(renewed)

  return {
    session: async (signal?: AbortSignal) => (await request<{ session: Session | null }>('GET', '/api/auth/session', { signal })).session,
    refresh: (signal?: AbortSignal) => out.post<Renewal>('refresh?silent=1&why=1', undefined, { signal }),
    workspaces: async (signal?: AbortSignal) => (await renewed<Schemas['WorkspaceList']>('GET', '/api/workspaces', { signal })).workspaces,

    config: (signal?: AbortSignal) => out.get<Config>('config', signal).catch((error: unknown) => {
      if (isOr3Error(error) && error.status === 404) return plainConfig
      throw error
    }),
    link: (body: LinkQuestion, signal?: AbortSignal) => out.post<LinkAnswer>('link', body, { signal }),
    signIn: (body: SignIn) => out.post<Schemas['SignedIn']>('sign-in', body, { codes: { 401: 'invalid_credentials' } }),
    secondFactor: (body: FactorProof) => out.post<Done>('second-factor', body),
    passkeySignInOptions: (signal?: AbortSignal) => out.post<PasskeyRequest>('passkeys/sign-in-options', {}, { signal }),
    passkeySignIn: (body: PasskeyProof) => out.post<Done>('passkeys/sign-in', body, { codes: { 401: 'invalid_credentials' } }),
    register: (body: Registration) => out.post<Done>('register', body, { codes: { 401: 'email_taken', 403: 'registration_disabled', 409: 'email_taken' } }),
    forgotPassword: (body: Schemas['EmailAddress']) => out.post<Done>('forgot-password', body),
    resetPassword: (body: PasswordReset) => out.post<Done>('reset-password', body),
    confirmEmail: (body: Schemas['Token']) => out.post<Schemas['EmailConfirmed']>('email/confirm', body),
    signOut: () => out.post<Done>('sign-out'),

    account: (signal?: AbortSignal) => signedIn.get<AccountDetails>('account', signal),
    reauthenticate: (body: { password: string } | PasskeyProof) => signedIn.post<Done>('reauthenticate', body),
    changeDisplayName: (body: Schemas['DisplayName']) => signedIn.post<Done>('display-name', body),
    changeEmail: (body: Schemas['EmailAddress']) => signedIn.post<Schemas['EmailChanged']>('email', body),
    cancelEmailChange: () => signedIn.post<Done>('email/cancel', {}),
    // A server that does not know keepSession ends this session too; the session is checked afterwards, so both cases
    // work.
    changePassword: (body: PasswordChange) => signedIn.post<Done>('change-password', { ...body, keepSession: true }),
    devices: async (signal?: AbortSignal) => (await signedIn.get<Schemas['AccountSessionList']>('sessions', signal)).sessions,
    revokeDevice: (body: Schemas['SessionId']) => signedIn.post<Done>('sessions/revoke', body),
    revokeOtherDevices: async () => (await signedIn.post<Schemas['SessionsRevoked']>('sessions/revoke-others', {})).revoked,
    events: async (signal?: AbortSignal) => (await signedIn.get<Schemas['SecurityEventList']>('events', signal)).events,
    enrolTotp: () => signedIn.post<Schemas['TotpEnrolment']>('totp/enrol', {}),
    confirmTotp: (body: Schemas['Code']) => signedIn.post<Schemas['FactorAdded']>('totp/confirm', body),
    removeTotp: () => signedIn.post<Done>('totp/remove', {}),
    renewRecoveryCodes: async () => (await signedIn.post<Schemas['RecoveryCodes']>('recovery-codes', {})).recoveryCodes,
    passkeyOptions: () => signedIn.post<PasskeyCreation>('passkeys/register-options', {}),
    registerPasskey: (body: PasskeyAttestation) => signedIn.post<Schemas['PasskeyAdded']>('passkeys/register', body),
    renamePasskey: (body: Schemas['PasskeyName']) => signedIn.post<Done>('passkeys/rename', body),
    removePasskey: (body: Schemas['PasskeyId']) => signedIn.post<Done>('passkeys/remove', body),
    deletion: async (signal?: AbortSignal) => (await signedIn.get<Schemas['DeletionPreview']>('deletion', signal)).workspaces,
    deleteAccount: (body: Schemas['EmailAddress']) => signedIn.post<Done>('delete-account', body),
  }
}

export type AccountApi = ReturnType<typeof createApi>

function below(request: Request) {
  const base = '/api/basic-auth/'
  return {
    get: <T>(path: string, signal?: AbortSignal) => request<T>('GET', base + path, { signal }),
    post: <T>(path: string, body?: unknown, options?: RequestOptions) => request<T>('POST', base + path, { ...options, body }),
  }
}

function renewing(request: Request, renew: ApiSettings['renew']): Request {
  return async (method, path, options) => {
    try {
      return await request(method, path, options)
    }
    catch (error) {
      if (!renew || !isOr3Error(error, 'session_expired') || !await renew()) throw error
      return request(method, path, options)
    }
  }
}
