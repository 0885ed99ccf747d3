// What has reached the server, as seen on the wire, and which row has to come of it by the contract: of all writes of a
// row the one with the greatest stamp.

export type Row = Record<string, unknown>

interface Stamp { clock: number, hlc: string, opId: string }

/** A write that was sent. */
interface Written {
  stamp: Stamp
  /** What it writes; undefined if it deletes. */
  payload: Row | undefined
  device: number
  /** Whether the server has said that it has it. */
  sure: boolean
  /** When it came, for collections. */
  at: number
}

interface Write { tableName: string, pk: string, payload?: Row | null, stamp: Stamp }

interface Op extends Write { operation: string, payload: Row }

const after = (a: Stamp, b: Stamp): boolean => a.clock !== b.clock ? a.clock > b.clock : a.hlc !== b.hlc ? a.hlc > b.hlc : a.opId > b.opId

function latest(list: Written[]): Written | undefined {
  return list.reduce<Written | undefined>((a, b) => !a || after(b.stamp, a.stamp) ? b : a, undefined)
}

export class Ledger {
  readonly #rows = new Map<string, Map<string, Written>>()
  readonly #collected = new Map<string, number>()
  /** How many writes there were. */
  count = 0
  /** The edits that the server has. */
  readonly reached = new Set<string>()

  /**
   * A push is on its way. What it returns takes the server's answer; without one it is not known what became of the
   * push.
   */
  sent(body: string, device: number): (status: number, text: string) => void {
    const { ops } = JSON.parse(body) as { ops: Op[] }
    const fresh: [string, string][] = []
    for (const { tableName, pk, operation, payload, stamp } of ops) {
      const row = `${tableName}/${pk}`
      const known = this.#rows.get(row) ?? new Map<string, Written>()
      this.#rows.set(row, known)
      const before = known.get(stamp.opId)
      const written = operation === 'delete' ? undefined : payload
      if (before) {
        if (JSON.stringify(before.payload) !== JSON.stringify(written)) throw new Error(`op ${stamp.opId} of ${row} was sent with two contents`)
        continue
      }
      known.set(stamp.opId, { stamp, payload: written, device, sure: false, at: ++this.count })
      fresh.push([row, stamp.opId])
    }
    return (status, text) => {
      const results = status === 200 ? (JSON.parse(text) as { results: { opId: string, success: boolean }[] }).results : []
      const taken = new Map(results.map(r => [r.opId, r.success]))
      for (const op of ops) if (taken.get(op.stamp.opId)) this.#has(op)
      // What is refused with certainty is not there.
      for (const [row, opId] of fresh) if (taken.get(opId) === false || (status >= 400 && status < 500)) this.#rows.get(row)!.delete(opId)
    }
  }

  /** What is in a pull or a snapshot the server has, also if it has never said so to the device that has sent it. */
  answered(text: string): void {
    const { changes = [], items = [] } = JSON.parse(text) as { changes?: Write[], items?: (Write & { revision: Stamp })[] }
    for (const change of changes) this.#has(change)
    for (const item of items) this.#has({ ...item, stamp: item.revision })
  }

  /** The server has a write. */
  #has({ tableName, pk, payload, stamp }: Write): void {
    const written = this.#rows.get(`${tableName}/${pk}`)?.get(stamp.opId)
    if (!written) return
    written.sure = true
    const edit = (payload?.value as Row | null | undefined)?.edit ?? payload?.edit
    if (edit !== undefined) this.reached.add(String(edit))
  }

  /** All writes of a row, for reading a failure. */
  story(row: string): string {
    return [...this.#rows.get(row)?.values() ?? []].map(({ stamp, payload, device, sure }) =>
      `device ${device} sent ${stamp.clock} ${stamp.hlc} ${stamp.opId.slice(0, 8)}${sure ? '' : ' (unanswered)'}: ${JSON.stringify(payload)?.slice(0, 300)}`).join('\n')
  }

  /** Whether a device has told the server that a row is deleted. */
  deleted(row: string, device: number): boolean {
    return [...this.#rows.get(row)?.values() ?? []].some(w => w.sure && !w.payload && w.device === device)
  }

  /** The server may have forgotten deletions. */
  collected(): void {
    for (const row of this.#rows.keys()) this.#collected.set(row, this.count)
  }

  get rows(): Iterable<string> {
    return this.#rows.keys()
  }

  /** What the server may have of a row at the end. */
  outcomes(row: string): (Row | undefined)[] {
    const all = [...this.#rows.get(row)?.values() ?? []]
    const found = this.#outcomes(all)
    const collected = this.#collected.get(row)
    // Of a deletion that was forgotten nothing is left that later writes could lose against.
    if (collected && all.some(w => !w.payload && w.at <= collected)) found.push(...this.#outcomes(all.filter(w => w.at > collected)), undefined)
    return found.map(w => w?.payload)
  }

  #outcomes(list: Written[]): (Written | undefined)[] {
    const sure = latest(list.filter(w => w.sure))
    return [sure, ...list.filter(w => !w.sure && (!sure || after(w.stamp, sure.stamp)))]
  }
}
