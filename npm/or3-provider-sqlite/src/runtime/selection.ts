/** The part of the host's configuration that selects providers. */
export interface HostConfig {
  auth?: { enabled?: unknown }
  sync?: { enabled?: unknown, provider?: unknown }
  limits?: { enabled?: unknown, storageProvider?: unknown }
  backgroundJobs?: { enabled?: unknown, storageProvider?: unknown }
  public?: { sync?: { provider?: unknown } }
}

/** The id of the provider. */
export const id = 'sqlite'

/** The roles for which a host has selected this provider. */
export interface Selection {
  /** Users, workspaces, members: whenever accounts are on, with synchronization or without it. */
  workspaces: boolean
  sync: boolean
  limits: boolean
  jobs: boolean
}

/** selected reads the host's configuration, while it is built and while it runs. */
export function selected({ auth, sync, limits, backgroundJobs, public: open }: HostConfig): Selection {
  const isSync = sync?.provider === id || open?.sync?.provider === id
  const synchronizes = isSync && sync?.enabled === true
  return {
    workspaces: isSync && (auth?.enabled === true || synchronizes),
    sync: synchronizes,
    limits: limits?.enabled === true && limits.storageProvider === id,
    jobs: backgroundJobs?.enabled === true && backgroundJobs.storageProvider === id,
  }
}
