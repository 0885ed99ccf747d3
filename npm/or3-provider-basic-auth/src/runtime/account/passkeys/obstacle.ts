import type { Config } from '../api/wire'

/** What stands between a page and the passkeys of its server, in the order in which it is worth removing. */
export type PasskeyObstacle = 'address' | 'insecure' | 'domain' | 'browser' | 'server'

export interface Place {
  hostname: string
  /** HTTPS, or the machine itself. */
  secure: boolean
  /** Whether the browser knows passkeys at all. */
  capable: boolean
}

/** obstacleOf decides it; null if there is none. Without a configuration only the browser is looked at. */
export function obstacleOf({ hostname, secure, capable }: Place, config: Pick<Config, 'passkeys' | 'passkeyDomain'> | null): PasskeyObstacle | null {
  if (/^[\d.]+$|:/.test(hostname)) return 'address'
  if (!secure) return 'insecure'
  const domain = config?.passkeyDomain
  if (domain && hostname !== domain && !hostname.endsWith(`.${domain}`)) return 'domain'
  if (!capable) return 'browser'
  return config?.passkeys === false ? 'server' : null
}
