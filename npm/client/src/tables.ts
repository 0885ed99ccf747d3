// How rows of the database are sent. The server stores only the seven tables of OR3 Chat, so a row
// of an app's own table becomes a row of kv there, under the name <app>/<table>/<key>.
import type { Dexie } from 'dexie'
import { plain, revive } from './json.js'
import { timeOf, type Stamp } from './stamp.js'
import { wireTables, type Change, type Payload, type WireTable } from './wire.js'

/** A row as the app sees it. */
export type Row = Record<string, unknown>

/** Where a row is in the app's database. */
export interface Place { table: string, key: string }

/** The kv rows that stay on the device, whatever tables are synced. */
const privateNames = ['MODELS_CATALOG', 'openrouter_api_key', 'workspace.manager.cache']

export class Tables {
  /** The tables that are synced, by their names in the database. */
  readonly names: string[]
  /** The tables of the server that they need. */
  readonly wire: WireTable[]
  readonly #own: Set<string>
  readonly #chat: Set<string>
  readonly #prefix: string

  constructor(db: Dexie, app: string, own: readonly string[], chat: readonly string[]) {
    this.#own = new Set(own)
    this.#chat = new Set([...chat, 'file_meta'])
    this.#prefix = `kv:${app}/`
    this.names = [...this.#own, ...this.#chat]
    this.wire = wireTables.filter(t => this.#chat.has(t) || (t === 'kv' && own.length > 0))
    if (!app || app.includes('/')) throw new TypeError('The name of an app must be a non-empty string without a slash')
    for (const name of this.names) {
      const table = db.tables.find(t => t.name === name)
      if (!table) throw new TypeError(`The database ${db.name} has no table ${name}`)
      const { auto, keyPath } = table.schema.primKey
      if (auto) throw new TypeError(`Table ${name} numbers its rows (++), so rows of two devices would get the same key. Use keys like crypto.randomUUID()`)
      if (typeof keyPath !== 'string') throw new TypeError(`Table ${name} needs one property of its rows as the key`)
      if (this.#own.has(name) && (this.#chat.has(name) || name.includes('/') || name.startsWith('sync_') || name.startsWith('file_')))
        throw new TypeError(`Table ${name} cannot be synced under that name`)
    }
    for (const name of chat) {
      if (!(wireTables as readonly string[]).includes(name)) throw new TypeError(`${name} is not a table of OR3 Chat: ${wireTables.join(', ')}`)
    }
  }

  /** Which row that is on the wire. */
  rowOf(table: string, key: string): string {
    const [name, pk] = this.#wireOf(table, key)
    return `${name}/${pk}`
  }

  #wireOf(table: string, key: string): [WireTable, string] {
    return this.#own.has(table) ? ['kv', `${this.#prefix}${table}/${key}`] : [table as WireTable, key]
  }

  /** Where a row from the wire belongs; undefined if it is not this app's. */
  placeOf({ tableName, pk }: { tableName: string, pk: string }): Place | undefined {
    if (tableName === 'kv' && pk.startsWith(this.#prefix)) {
      const rest = pk.slice(this.#prefix.length)
      const slash = rest.indexOf('/')
      const table = rest.slice(0, slash)
      if (slash > 0 && this.#own.has(table)) return { table, key: rest.slice(slash + 1) }
    }
    return this.#chat.has(tableName) && !pk.startsWith(this.#prefix) ? { table: tableName, key: pk } : undefined
  }

  /** Whether a row stays on the device, for now or for good. */
  staysHere({ table, key }: Place, row: Row | undefined): boolean {
    if (!row || !this.#chat.has(table)) return false
    if (table === 'messages') return row.pending === true
    return table === 'kv' && (privateNames.includes(String(row.name)) || privateNames.some(n => key === `kv:${n}`))
  }

  /** A row, or its deletion, in wire form. A TypeError says what cannot be sent. */
  toWire({ table, key }: Place, row: Row | undefined, stamp: Stamp): { tableName: WireTable, pk: string, payload: Payload } {
    const [tableName, pk] = this.#wireOf(table, key)
    const seconds = Math.floor(timeOf(stamp.hlc) / 1000)
    if (!row) return { tableName, pk, payload: { [tableName === 'file_meta' ? 'hash' : 'id']: pk, deleted: true, deleted_at: seconds } }
    if (this.#own.has(table)) {
      const payload = { id: pk, name: pk.slice('kv:'.length), value: plain(row), deleted: false, created_at: seconds, updated_at: seconds, clock: stamp.clock }
      return { tableName, pk, payload }
    }
    const payload: Payload = { deleted: false, created_at: seconds, updated_at: seconds }
    for (const [name, value] of Object.entries(row)) {
      if (name === 'hlc' || name === 'ref_count' || name.includes('.') || value === undefined) continue
      if (value === null && (name === 'error' || name === 'value')) continue
      payload[name === 'postType' && table === 'posts' ? 'post_type' : name] = value
    }
    payload.clock = stamp.clock
    return { tableName, pk, payload }
  }

  /** The row to store after a change; undefined if it was deleted. A TypeError says why it cannot be stored. */
  fromWire({ table, key }: Place, { payload, stamp }: Change, marks: boolean): Row | undefined {
    if (!payload) return undefined
    if (this.#own.has(table)) {
      if (payload.deleted === true) return undefined
      const { value } = payload
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`The row ${key} of ${table} has no content`)
      return (marks ? revive(structuredClone(value)) : value) as Row
    }
    const row: Row = { ...payload, clock: stamp.clock, hlc: stamp.hlc }
    if (table === 'messages') row.order_key ??= stamp.hlc
    if (table === 'posts' && row.postType === undefined) row.postType = row.post_type
    return row
  }
}
