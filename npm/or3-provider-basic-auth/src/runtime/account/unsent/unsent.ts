/** The edits in this browser that the server does not have: one for each row, however often it was changed. */
export interface Unsent {
  /** Edits that will be sent once the same person is signed in here. */
  waiting: number
  /** Edits that were refused or given up; they stay in this browser, and are not sent automatically. */
  failed: number
  /** How many of these signing out deletes, because OR3 Chat is set to clear their workspace. */
  cleared: number
}

export const nothingUnsent: Unsent = { waiting: 0, failed: 0, cleared: 0 }

export const countOf = ({ waiting, failed }: Unsent) => waiting + failed

export const sum = (all: Unsent[]): Unsent => all.reduce((a, b) => ({
  waiting: a.waiting + b.waiting, failed: a.failed + b.failed, cleared: a.cleared + b.cleared,
}), nothingUnsent)

/** What is known of a row of OR3 Chat's outbox. Hosts of different ages have different states. */
export interface PendingOp { tableName: string, pk: string, status: string }

/**
 * unsentOf counts an outbox. Entries that were sent stay in it for a while; a row with an edit still waiting is not
 * given up.
 */
export function unsentOf(ops: PendingOp[], clears: boolean): Unsent {
  const rows = new Map<string, boolean>()
  for (const { tableName, pk, status } of ops) {
    if (status === 'applied' || status === 'discarded') continue
    const row = JSON.stringify([tableName, pk])
    rows.set(row, (rows.get(row) ?? false) || !status.startsWith('failed'))
  }
  const waiting = [...rows.values()].filter(Boolean).length
  return { waiting, failed: rows.size - waiting, cleared: clears ? rows.size : 0 }
}
