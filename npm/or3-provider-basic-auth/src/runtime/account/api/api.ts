import { isOr3Error } from './error'
import { createRequest, type Request, type RequestOptions, type RequestSettings } from './request'
import type {
  AccountDetails, Config, Device, FactorProof, LinkAnswer, OwnWorkspace, Passkey, PasskeyAttestation, PasskeyCreation, PasskeyProof, PasskeyRequest,
  PasswordChange, PasswordReset, RecoveryCodes, Registration, Renewal, SecurityEvent, Session, SignIn, Workspace,
} from './wire'

export interface ApiSettings extends RequestSettings {
  /** Asked when a signed-in call is told that the session has run out; the call is repeated once after a true. */
  renew?: () => Promise<boolean>
}

interface Done { ok: boolean }

/** A server without the account pages has no configuration to give: only what every server can do is offered. */
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
    workspaces: async (signal?: AbortSignal) => (await renewed<{ workspaces: Workspace[] }>('GET', '/api/workspaces', { signal })).workspaces,

    config: (signal?: AbortSignal) => out.get<Config>('config', signal).catch((error: unknown) => {
      if (isOr3Error(error) && error.status === 404) return plainConfig
      throw error
    }),
    link: (body: { kind: string, token: string }, signal?: AbortSignal) => out.post<LinkAnswer>('link', body, { signal }),
    signIn: (body: SignIn) => out.post<Done & { otherDomains?: string[] }>('sign-in', body, { codes: { 401: 'invalid_credentials' } }),
    secondFactor: (body: FactorProof) => out.post<Done>('second-factor', body),
    passkeySignInOptions: (signal?: AbortSignal) => out.post<PasskeyRequest>('passkeys/sign-in-options', {}, { signal }),
    passkeySignIn: (body: PasskeyProof) => out.post<Done>('passkeys/sign-in', body, { codes: { 401: 'invalid_credentials' } }),
    register: (body: Registration) => out.post<Done>('register', body, { codes: { 401: 'email_taken', 403: 'registration_disabled', 409: 'email_taken' } }),
    forgotPassword: (body: { email: string }) => out.post<Done>('forgot-password', body),
    resetPassword: (body: PasswordReset) => out.post<Done>('reset-password', body),
    confirmEmail: (body: { token: string }) => out.post<Done & { email: string }>('email/confirm', body),
    signOut: () => out.post<Done>('sign-out'),

    account: (signal?: AbortSignal) => signedIn.get<AccountDetails>('account', signal),
    reauthenticate: (body: { password: string } | PasskeyProof) => signedIn.post<Done>('reauthenticate', body),
    changeDisplayName: (body: { displayName: string }) => signedIn.post<Done>('display-name', body),
    changeEmail: (body: { email: string }) => signedIn.post<Done & { pending: boolean }>('email', body),
    cancelEmailChange: () => signedIn.post<Done>('email/cancel', {}),
    // A server that knows no keepSession ends this session too; the session is looked at again afterwards, so both are right.
    changePassword: (body: PasswordChange) => signedIn.post<Done>('change-password', { ...body, keepSession: true }),
    devices: async (signal?: AbortSignal) => (await signedIn.get<{ sessions: Device[] }>('sessions', signal)).sessions,
    revokeDevice: (body: { id: string }) => signedIn.post<Done>('sessions/revoke', body),
    revokeOtherDevices: async () => (await signedIn.post<Done & { revoked: number }>('sessions/revoke-others', {})).revoked,
    events: async (signal?: AbortSignal) => (await signedIn.get<{ events: SecurityEvent[] }>('events', signal)).events,
    enrolTotp: () => signedIn.post<{ secret: string, uri: string }>('totp/enrol', {}),
    confirmTotp: (body: { code: string }) => signedIn.post<Done & RecoveryCodes>('totp/confirm', body),
    removeTotp: () => signedIn.post<Done>('totp/remove', {}),
    renewRecoveryCodes: async () => (await signedIn.post<Required<RecoveryCodes>>('recovery-codes', {})).recoveryCodes,
    passkeyOptions: () => signedIn.post<PasskeyCreation>('passkeys/register-options', {}),
    registerPasskey: (body: PasskeyAttestation) => signedIn.post<Done & RecoveryCodes & { passkey: Passkey }>('passkeys/register', body),
    renamePasskey: (body: { id: string, name: string }) => signedIn.post<Done>('passkeys/rename', body),
    removePasskey: (body: { id: string }) => signedIn.post<Done>('passkeys/remove', body),
    deletion: async (signal?: AbortSignal) => (await signedIn.get<{ workspaces: OwnWorkspace[] }>('deletion', signal)).workspaces,
    deleteAccount: (body: { email: string }) => signedIn.post<Done>('delete-account', body),
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
