/** The part of the Web Locks API that is used; absent on pages without HTTPS. */
export interface Locks {
  request<T>(name: string, options: LockOptions, callback: (lock: Lock | null) => Promise<T>): Promise<T>
}

export interface RenewalSettings {
  refresh: () => Promise<boolean>
  isSignedIn: () => Promise<boolean>
  locks?: Locks
}

const lockName = 'or3-basic-auth-refresh'

/**
 * createRenewal returns the silent renewal: callers in one tab share a promise, tabs of one browser take turns. A tab
 * that had to wait looks before it asks, because the one before it has probably renewed the session for both.
 */
export function createRenewal({ refresh, isSignedIn, locks }: RenewalSettings): () => Promise<boolean> {
  let running: Promise<boolean> | null = null

  const inTurn = () => {
    if (!locks) return refresh()
    return locks.request(lockName, { ifAvailable: true }, async (lock) => {
      if (lock) return refresh()
      return locks.request(lockName, { mode: 'exclusive' }, async () => await isSignedIn() || refresh())
    })
  }

  return () => {
    running ??= inTurn().finally(() => {
      running = null
    })
    return running
  }
}
