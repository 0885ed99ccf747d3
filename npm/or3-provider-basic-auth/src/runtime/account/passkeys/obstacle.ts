import type { Config } from '../api/wire'

/** What prevents a page from using the passkeys of its server, in the order in which it should be fixed. */
export type PasskeyObstacle = 'address' | 'insecure' | 'domain' | 'browser' | 'server'

export interface Place {
  hostname: string
  /** HTTPS, or the machine itself. */
  secure: boolean
  /** Whether the browser supports passkeys at all. */
  capable: boolean
}

/** obstacleOf returns the obstacle; null if there is none. Without a configuration it checks only the browser. */
export function obstacleOf({ hostname, secure, capable }: Place, config: Pick<Config, 'passkeys' | 'passkeyDomain'> | null): PasskeyObstacle | null {
  if (/^[\d.]+$|:/.test(hostname)) return 'address'
  if (!secure) return 'insecure'
  const domain = config?.passkeyDomain
  if (domain && hostname !== domain && !hostname.endsWith(`.${domain}`)) return 'domain'
  if (!capable) return 'browser'
  return config?.passkeys === false ? 'server' : null
}
