/** The part of the host's configuration that says where files are kept. */
export interface HostFiles {
  auth?: { enabled?: unknown }
  storage?: { enabled?: unknown, provider?: unknown }
}

export const id = 'fs'

/** isSelected is true when accounts and files are on and this provider keeps them; otherwise nothing of it is there. */
export function isSelected({ auth, storage }: HostFiles): boolean {
  return auth?.enabled === true && storage?.enabled === true && storage.provider === id
}
