/** The part of the host's configuration that selects the auth provider. */
export interface HostAuth {
  auth?: { enabled?: unknown, provider?: unknown }
}

export const id = 'basic-auth'

/** isSelected is true if accounts are on and this provider is selected; otherwise the package does nothing. */
export function isSelected({ auth }: HostAuth): boolean {
  return auth?.enabled === true && auth.provider === id
}
