// What the matrix has to know of a host: the same scenarios run against each.

/** A server with accounts, sync and files, which also serves the page in `device/`. */
export interface Host {
  /** Where it listens; the same after a new start. */
  readonly url: string
  /** The path of the device page. */
  readonly page: string
  /** What it has said so far. */
  readonly log: string
  /** Starts it again, after `kill`, and waits until it serves. */
  start: () => Promise<void>
  /** Ends all of it at once, as a loss of power does. */
  kill: () => Promise<void>
  /** Ends it for good, and removes what it has written. */
  remove: () => Promise<void>
  /** Runs a command of or3-cloud on its data, and returns what that prints. */
  operate: (...command: string[]) => Promise<string>
  /** Whether it has an endpoint that docs/endpoints.md names. Others have to be 404. */
  serves: (method: string, path: string) => boolean
}

const unlimited = Object.fromEntries(
  ['sync:push', 'sync:pull', 'sync:snapshot', 'sync:cursor', 'storage:upload', 'storage:download', 'storage:commit', 'auth:session', 'workspace:create', 'workspace:change']
    .map(name => [name, { windowMs: 60_000, maxRequests: 1_000_000 }]),
)

/** The variables that a host of the matrix is started with, beside its own. */
export const settings: Record<string, string> = {
  OR3_AUTH_REGISTRATION_MODE: 'open',
  OR3_RATE_LIMIT_OVERRIDES_JSON: JSON.stringify(unlimited),
  OR3_STORAGE_ALLOW_ANY_FILE_TYPE: 'true',
  // What nothing names may be collected at once.
  OR3_STORAGE_GC_RETENTION_SECONDS: '0',
}
