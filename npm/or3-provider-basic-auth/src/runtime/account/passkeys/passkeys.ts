import type { AuthenticationResponseJSON, RegistrationResponseJSON, WebAuthnError } from '@simplewebauthn/browser'
import { Or3Error, type Or3ErrorCode } from '../api/error'
import type { Config, PasskeyCreation, PasskeyRequest } from '../api/wire'
import { obstacleOf, type PasskeyObstacle } from './obstacle'

/**
 * The browser side of passkeys, loaded when first needed. Only one ceremony runs at a time; a new one ends the old one
 * silently.
 */
export interface Passkeys {
  /** obstacle says why this page cannot use the passkeys of its server; null if it can. */
  obstacle(config: Pick<Config, 'passkeys' | 'passkeyDomain'> | null): Promise<PasskeyObstacle | null>
  autofillSupported(): Promise<boolean>
  get(publicKey: PasskeyRequest['publicKey'], autofill?: boolean): Promise<AuthenticationResponseJSON>
  create(publicKey: PasskeyCreation['publicKey']): Promise<RegistrationResponseJSON>
  abort(): void
}

export function createPasskeys({ location, isSecureContext }: Pick<Window, 'location' | 'isSecureContext'>, load = () => import('@simplewebauthn/browser')): Passkeys {
  let library: Awaited<ReturnType<typeof load>> | undefined
  const webauthn = async () => library ??= await load()

  return {
    obstacle: async config => obstacleOf({
      hostname: location.hostname, secure: isSecureContext, capable: (await webauthn()).browserSupportsWebAuthn(),
    }, config),
    autofillSupported: async () => (await webauthn()).browserSupportsWebAuthnAutofill(),
    async get(publicKey, autofill = false) {
      const { startAuthentication } = await webauthn()
      return startAuthentication({ optionsJSON: publicKey, useBrowserAutofill: autofill, verifyBrowserAutofillInput: false }).catch(fail)
    },
    async create(publicKey) {
      const { startRegistration } = await webauthn()
      return startRegistration({ optionsJSON: publicKey }).catch(fail)
    },
    abort: () => library?.WebAuthnAbortService.cancelCeremony(),
  }
}

function fail(cause: WebAuthnError | Error): never {
  throw new Or3Error(codeOf(cause), { cause })
}

function codeOf(cause: WebAuthnError | Error): Or3ErrorCode {
  const code = 'code' in cause ? cause.code : ''
  if (code === 'ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED' || cause.name === 'InvalidStateError') return 'passkey_exists'
  // The browser reports NotAllowedError both when the user closes its dialog and when it times out.
  if (code === 'ERROR_CEREMONY_ABORTED' || cause.name === 'AbortError' || cause.name === 'NotAllowedError') return 'cancelled'
  return 'passkey_failed'
}
