/** The part of the host's public configuration that selects the auth provider. */
export interface PublicConfig {
  ssrAuthEnabled?: unknown
  authProvider?: unknown
}

/**
 * isActive is true if accounts are on and basic-auth is their provider; otherwise this package shows nothing, requests
 * nothing and listens to nothing.
 */
export function isActive({ ssrAuthEnabled, authProvider }: PublicConfig): boolean {
  return ssrAuthEnabled === true && (!authProvider || authProvider === 'basic-auth')
}
