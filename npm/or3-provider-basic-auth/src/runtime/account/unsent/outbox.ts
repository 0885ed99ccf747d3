import { countOf, nothingUnsent, sum, unsentOf, type PendingOp, type Unsent } from './unsent'

/** OR3 Chat keeps a database for each workspace, and one for data that belongs to none. */
const common = 'or3-db'
const prefix = `${common}-`

export interface OutboxSettings {
  /** Absent if the browser does not have it. */
  databases: IDBFactory | undefined
  /** The signed-in user's workspaces; if it fails, all workspaces count. */
  workspaces: () => Promise<string[]>
}

/**
 * createOutbox reads the databases that OR3 Chat has in this browser. It creates none, changes nothing, and blocks
 * no upgrade.
 */
export function createOutbox({ databases, workspaces }: OutboxSettings): () => Promise<Unsent> {
  return async () => {
    const names = (await databases?.databases?.().catch(() => []) ?? []).flatMap(({ name }) => name?.startsWith(prefix) ? name : [])
    const found = await Promise.all(names.map(async (name) => {
      const id = name.slice(prefix.length)
      const ops = await read(databases!, name, 'pending_ops', store => store.getAll() as IDBRequest<PendingOp[]>) ?? []
      const unsent = unsentOf(ops, false)
      return { id, unsent: countOf(unsent) > 0 && await clears(id) ? unsentOf(ops, true) : unsent }
    }))
    const left = found.filter(({ unsent }) => countOf(unsent) > 0)
    if (left.length === 0) return nothingUnsent
    // An earlier user may have left edits behind, which another user's sign-out does not affect.
    const own = await workspaces().catch(() => null)
    return sum(left.filter(({ id }) => own?.includes(id) ?? true).map(({ unsent }) => unsent))
  }

  async function clears(workspace: string) {
    const policy = await read(databases!, common, 'kv', store =>
      store.index('name').get(`workspace.logout.policy.${workspace}`) as IDBRequest<{ value?: unknown } | undefined>)
    return policy?.value === 'clear'
  }
}

/** read asks one store of a database; null if there is no such database, store or index. */
async function read<T>(databases: IDBFactory, name: string, store: string, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
  const database = await opened(databases, name)
  if (!database) return null
  try {
    return await answer(ask(database.transaction(store).objectStore(store)))
  }
  catch {
    return null
  }
  finally {
    database.close()
  }
}

function opened(databases: IDBFactory, name: string): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    const request = databases.open(name)
    // The database is gone; do not let the browser create a new one.
    request.onupgradeneeded = () => request.transaction?.abort()
    request.onerror = (event) => {
      event.preventDefault()
      resolve(null)
    }
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close()
      resolve(request.result)
    }
  })
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error as Error)
  })
}
