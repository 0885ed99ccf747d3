// The tables of the schedules, and rows as the wire has them.
import { syncStores } from '../../src/index.js'
import type { Random } from '../random.js'
import type { Row } from './ledger.js'

export const own = ['todos', 'notes']
export const chat = ['threads', 'messages', 'kv', 'notifications'] as const
export const tables = [...own, ...chat]

export const stores = {
  todos: 'id', notes: 'id, &slug', threads: 'id', messages: 'id, [thread_id+index+order_key]', kv: 'id, &name', notifications: 'id', ...syncStores,
}

/** Tables with a unique index, whose rows may be in each other's way. */
export const unique: readonly string[] = ['notes', 'kv']

/** The keys of a table that a user writes. */
export function keysOf(table: string, user: string): string[] {
  switch (table) {
    case 'todos': return ['r1', 'r2', 'r3', 'r4', 'r5']
    case 'notes': return ['n1', 'n2', 'n3']
    case 'threads': return ['t1', 't2']
    case 'messages': return ['m1', 'm2', 'm3', 'm4']
    // A row whose key is not the one that all clients use for its name loses the name to the one whose key is.
    case 'kv': return ['kv:a', 'kv:b', 'kv:c', 'x1', 'x2']
    default: return [1, 2].map(n => `${user}-${n}`)
  }
}

/** A row, as an app writes it. */
export function rowOf(table: string, id: string, user: string, now: number, random: Random): Row {
  const seconds = Math.floor(now / 1000)
  const chats = { deleted: random.chance(0.1), created_at: seconds, updated_at: seconds }
  switch (table) {
    case 'todos': return { id, title: `title ${random.below(1000)}`, ...(random.chance(0.3) ? { due: new Date(now), labels: new Set(['a', random.below(9)]) } : {}) }
    case 'notes': return { id, title: `note ${random.below(1000)}`, slug: `s${random.below(5)}` }
    case 'threads': return { id, title: `thread ${random.below(1000)}`, status: 'ready', pinned: false, forked: false, ...chats }
    case 'messages': return { id, thread_id: 't1', role: 'user', index: random.below(3), order_key: `k${random.below(3)}`, data: { content: `${random.below(1000)}` }, ...chats }
    case 'kv': return { id, name: id.startsWith('kv:') ? id.slice(3) : random.pick(['a', 'b', 'd']), value: random.below(1000), ...chats, deleted: false }
    default: return { id, user_id: user, type: 'system', title: `notification ${random.below(1000)}`, ...chats }
  }
}

/** What an app changes of a row. */
export function changeOf(table: string, random: Random): Row {
  return table === 'messages' ? { index: random.below(3) } : table === 'kv' ? { value: random.below(1000) } : { title: `changed ${random.below(1000)}` }
}

/** Which row of the wire that is. */
export const wireRow = (table: string, key: string): string => own.includes(table) ? `kv/kv:test/${table}/${key}` : `${table}/${key}`

/** Where a row of the wire is in the app's database; undefined for files. */
export function placeOf(row: string): { table: string, key: string } | undefined {
  const slash = row.indexOf('/')
  const [table, pk] = [row.slice(0, slash), row.slice(slash + 1)]
  const mine = /^kv:test\/([^/]+)\/(.*)$/s.exec(pk)
  if (table === 'kv' && mine) return { table: mine[1]!, key: mine[2]! }
  return tables.includes(table) ? { table, key: pk } : undefined
}

/** A value as the wire has it (README of the package: what travels). */
function wireValue(value: unknown): unknown {
  if (value instanceof Date) return { $or3: ['date', value.getTime()] }
  if (value instanceof Set) return { $or3: ['set', [...value].map(wireValue)] }
  if (Array.isArray(value)) return value.map(wireValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).flatMap(([k, v]) => v === undefined ? [] : [[k, wireValue(v)]]))
}

/** A row as text, to be compared: what sync says of it, beside what the app wrote, is left out. */
export function textOf(table: string, row: Row | undefined): string | undefined {
  if (!row) return undefined
  const { clock: _, hlc: __, ...rest } = row
  return JSON.stringify(wireValue(own.includes(table) ? row : rest))
}
