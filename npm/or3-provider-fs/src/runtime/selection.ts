/** The part of the host's configuration that selects the storage provider. */
export interface HostFiles {
  auth?: { enabled?: unknown }
  storage?: { enabled?: unknown, provider?: unknown }
}

export const id = 'fs'

/** isSelected is true if accounts and files are on and this provider is selected; otherwise it does nothing. */
export function isSelected({ auth, storage }: HostFiles): boolean {
  return auth?.enabled === true && storage?.enabled === true && storage.provider === id
}
