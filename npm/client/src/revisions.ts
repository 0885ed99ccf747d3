// Which write of each local row the server has.
import type { Pack, Revision, Stores } from './stores.js'
import type { Stamp } from './stamp.js'

/** How many revisions are in a pack: few enough to read them all to get one. */
const packSize = 200

/**
 * The revisions of rows, in a transaction with both tables. Rows that the server never had are not in the result.
 */
export async function revisionsOf(stores: Stores, rows: string[]): Promise<Map<string, Revision>> {
  const found = new Map<string, Revision>()
  const missing: string[] = []
  const single = await stores.revisions.bulkGet(rows)
  rows.forEach((row, i) => single[i] ? found.set(row, single[i]) : missing.push(row))
  if (missing.length === 0) return found
  const firsts = await stores.packs.toCollection().primaryKeys()
  const wanted = new Map<string, string[]>()
  for (const row of missing) {
    const first = firsts[upperBound(firsts, row) - 1]
    if (first === undefined) continue
    const list = wanted.get(first)
    if (list) list.push(row)
    else wanted.set(first, [row])
  }
  const packs = await stores.packs.bulkGet([...wanted.keys()])
  for (const pack of packs) {
    for (const row of pack ? wanted.get(pack.first) ?? [] : []) {
      const at = upperBound(pack!.rows, row) - 1
      if (pack!.rows[at] === row) found.set(row, { row, ...stampAt(pack!, at) })
    }
  }
  return found
}

/** How many of the sorted strings are not after the given one. */
function upperBound(sorted: string[], text: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= text) low = middle + 1
    else high = middle
  }
  return low
}

function stampAt(pack: Pack, i: number): Stamp {
  return { clock: pack.clocks[i]!, hlc: pack.hlcs[i]!, opId: pack.opIds[i]! }
}

/** Groups revisions, sorted by row, into packs. */
export function packed(revisions: Revision[]): Pack[] {
  const packs: Pack[] = []
  for (let i = 0; i < revisions.length; i += packSize) {
    const part = revisions.slice(i, i + packSize)
    packs.push({
      first: part[0]!.row,
      rows: part.map(r => r.row), clocks: part.map(r => r.clock), hlcs: part.map(r => r.hlc), opIds: part.map(r => r.opId),
    })
  }
  return packs
}

/** All rows that the server has or had, as far as this device knows. */
export async function allRows(stores: Stores): Promise<Set<string>> {
  const rows = new Set<string>()
  await stores.packs.each(pack => pack.rows.forEach(row => rows.add(row)))
  await stores.revisions.each(r => r.deleted ? rows.delete(r.row) : rows.add(r.row))
  return rows
}
