/** The part of the host's configuration that says who signs people in. */
export interface HostAuth {
  auth?: { enabled?: unknown, provider?: unknown }
}

export const id = 'basic-auth'

/** isSelected is true when accounts are on and this provider has them; otherwise nothing of it is there. */
export function isSelected({ auth }: HostAuth): boolean {
  return auth?.enabled === true && auth.provider === id
}
