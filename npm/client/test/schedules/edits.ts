// What the app has done on all devices: each edit with what it was made on top of. It knows nothing of clocks, so it
// holds for any way to decide between edits that did not know of each other.
import type { Row } from './ledger.js'

export interface Edit {
  /** In the row itself, so that a device with the row has the edit. */
  id: string
  /** Its table and key. */
  row: string
  device: number
  /** The edit that was there before; undefined if there was no row. */
  parent: string | undefined
  /** The row that it leaves behind; undefined if it deletes. */
  content: Row | undefined
  /** It went down with the device, or was given up. */
  dead?: true
}

/** Something is wrong with a row. */
export class Broken extends Error {
  constructor(readonly row: string, what: string) {
    super(`${row} ${what}`)
  }
}

export class Edits {
  readonly all = new Map<string, Edit>()
  /** Edits that the app was told of as lost, and rows whose deletions it was told of. */
  readonly told = new Set<string>()
  /** Which edit of a row each device has shown last. */
  readonly #shown = new Map<string, string>()

  add(edit: Edit): void {
    this.all.set(edit.id, edit)
    this.#shown.set(`${edit.device} ${edit.row}`, edit.id)
  }

  /** What an edit of a row is made on top of: what the device shows, or else the deletion by which it shows nothing. */
  parent(device: number, row: string, content: Row | undefined): string | undefined {
    if (content) return String(content.edit)
    const shown = this.all.get(this.#shown.get(`${device} ${row}`) ?? '')
    return shown?.content ? undefined : shown?.id
  }

  /** A device shows a row: it has to be one that was written, and no older one than it has shown before. */
  show(device: number, row: string, content: Row | undefined): void {
    if (!content) return
    const id = String(content.edit)
    const edit = this.all.get(id)
    if (!edit || edit.row !== row) throw new Broken(row, `shows ${id} on device ${device}, which no one has written`)
    const key = `${device} ${row}`
    for (let e = this.all.get(this.#shown.get(key) ?? ''); e; e = this.all.get(e.parent ?? '')) {
      if (e.parent === id) throw new Broken(row, `shows ${id} on device ${device} again, after ${this.#shown.get(key)}`)
    }
    this.#shown.set(key, id)
  }

  /** All edits of a row, for reading a failure. */
  story(row: string): string {
    return [...this.all.values()].filter(e => e.row === row).map(({ id, device, parent, content, dead }) =>
      `${id} on device ${device} after ${parent}${dead ? ' (gone)' : ''}${this.told.has(id) ? ' (told)' : ''}: ${JSON.stringify(content)?.slice(0, 300)}`).join('\n')
  }

  /** A device has lost what it had: edits that the server does not have are gone. */
  forget(device: number, reached: ReadonlySet<string>): void {
    for (const edit of this.all.values()) if (edit.device === device && (edit.content === undefined || !reached.has(edit.id))) edit.dead = true
    for (const key of this.#shown.keys()) if (key.startsWith(`${device} `)) this.#shown.delete(key)
  }

  /**
   * What is left of each row has to be an edit that no other one was made on top of, and every other such edit has
   * reached the server, or the app was told that it was lost.
   */
  check(rows: ReadonlyMap<string, Row>, reached: ReadonlySet<string>, deleted: (row: string, device: number) => boolean): void {
    const alive = [...this.all.values()].filter(e => !e.dead || reached.has(e.id))
    const replaced = new Map(alive.map(e => [e.parent, e.id]))
    for (const [row, content] of rows) {
      const edit = this.all.get(String(content.edit))
      if (!edit || edit.row !== row) throw new Broken(row, `has edit ${String(content.edit)}, which no one has written`)
      if (replaced.has(edit.id)) throw new Broken(row, `has edit ${edit.id}, on top of which ${replaced.get(edit.id)} was made`)
    }
    const deletions = new Set([...this.all.values()].filter(e => !e.content).map(e => e.row))
    for (const { id, row, content, device, dead } of alive) {
      if (content && !rows.has(row) && !deletions.has(row)) throw new Broken(row, 'is gone, and no one has deleted it')
      if (replaced.has(id) || rows.get(row)?.edit === id || dead || this.told.has(id)) continue
      // What is made and gone again before anyone has heard of it is no one's concern.
      if (!content && !this.#heard(id, reached)) continue
      if (content ? !reached.has(id) : rows.has(row) && !deleted(row, device) && !this.told.has(`deletion of ${row}`))
        throw new Broken(row, `has lost the ${content ? 'edit' : 'deletion'} ${id} of device ${device}`)
    }
  }

  /** Whether the server has had an edit that this one was made on top of. */
  #heard(id: string, reached: ReadonlySet<string>): boolean {
    for (let e = this.all.get(id); e; e = this.all.get(e.parent ?? '')) if (reached.has(e.id)) return true
    return false
  }
}
