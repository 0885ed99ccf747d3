/**
 * The endpoints of the engine's basic-auth provider: those of the contract (auth §8.4), and those for the account
 * pages.
 */
const paths = {
  post: [
    'sign-in', 'sign-out', 'register', 'refresh', 'change-password', 'second-factor', 'reauthenticate', 'link',
    'forgot-password', 'reset-password', 'email', 'email/cancel', 'email/confirm', 'display-name', 'delete-account',
    'sessions/revoke', 'sessions/revoke-others', 'totp/enrol', 'totp/confirm', 'totp/remove', 'recovery-codes',
    'passkeys/sign-in-options', 'passkeys/sign-in', 'passkeys/register-options', 'passkeys/register', 'passkeys/rename',
    'passkeys/remove',
  ],
  get: ['config', 'account', 'sessions', 'events', 'deletion'],
} as const

export interface Endpoint {
  method: keyof typeof paths
  route: string
}

const below = (method: Endpoint['method']): Endpoint[] => paths[method].map(path => ({ method, route: `/api/basic-auth/${path}` }))

export const endpoints: readonly Endpoint[] = [...below('post'), ...below('get')]

/** The only endpoint that does more than forward a request. */
export const signOut = '/api/basic-auth/sign-out'
