/** The part of the host's public configuration that says who signs people in. */
export interface PublicConfig {
  ssrAuthEnabled?: unknown
  authProvider?: unknown
}

/**
 * isActive is true when accounts are on and basic-auth is their provider; otherwise nothing of this package shows, asks
 * or listens.
 */
export function isActive({ ssrAuthEnabled, authProvider }: PublicConfig): boolean {
  return ssrAuthEnabled === true && (!authProvider || authProvider === 'basic-auth')
}
