// The wire format (contract, sync §2, §10): what is sent and received, with validation of responses.
import type { components } from './api.js'
import { SyncError } from './errors.js'
import type { Stamp } from './stamp.js'

/** The bodies of requests and answers, as docs/contract/openapi.yaml describes them. */
export type Schemas = components['schemas']

/** The tables that a server keeps. */
export const wireTables = ['threads', 'messages', 'projects', 'posts', 'file_meta', 'kv', 'notifications'] as const

/** The name of a table that a server keeps. */
export type WireTable = (typeof wireTables)[number]

/** The content of a row in wire form. */
export type Payload = Record<string, unknown>

/** One write, as it is sent. */
export type WireOp = Schemas['PendingOp'] & { id: string, payload: Payload }

/** The write that produced a row's current state on the server. */
export interface Change {
  tableName: string
  pk: string
  /** Absent: the row is deleted. */
  payload: Payload | undefined
  stamp: Stamp
}

/** The server's result for one write. */
export type Result = Omit<Schemas['OpResult'], 'winner'> & { winner?: Change }

export interface PushAnswer { results: Result[], serverVersion: number }
export interface PullAnswer { changes: Change[], nextCursor: number, hasMore: boolean, requiresSnapshot: boolean }
export interface SnapshotAnswer { snapshotId: string, highWatermark: number, items: Change[], nextPageToken: string | null }

type Json = Record<string, unknown>

function fail(what: string): never {
  throw new SyncError('bad-answer', `The server's response is invalid: ${what}`)
}

const isObject = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v)
const isVersion = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0

function stampOf(v: unknown): Stamp {
  if (!isObject(v) || !isVersion(v.clock) || typeof v.hlc !== 'string' || typeof v.opId !== 'string') fail('a write without a stamp')
  return { clock: v.clock, hlc: v.hlc, opId: v.opId }
}

function changeOf(v: unknown, deleted: (v: Json) => boolean, stamp: 'stamp' | 'revision'): Change {
  if (!isObject(v) || typeof v.tableName !== 'string' || typeof v.pk !== 'string') fail('a change without a table or a key')
  const payload = deleted(v) ? undefined : isObject(v.payload) ? v.payload : {}
  return { tableName: v.tableName, pk: v.pk, payload, stamp: stampOf(v[stamp]) }
}

/** Reads the answer to a push; `sent` are its writes by their ids. */
export function readPush(v: unknown, sent: Map<string, WireOp>): PushAnswer {
  if (!isObject(v) || !Array.isArray(v.results) || !isVersion(v.serverVersion)) fail('it is not that of a push')
  const results: Result[] = []
  for (const r of v.results as unknown[]) {
    if (!isObject(r) || typeof r.opId !== 'string' || typeof r.success !== 'boolean') fail('a result without a name')
    const op = sent.get(r.opId)
    if (!op) continue
    const { winner, ...rest } = r
    const result = rest as unknown as Result
    if (isObject(winner))
      result.winner = changeOf({ ...winner, tableName: op.tableName, pk: op.pk }, w => w.kind === 'delete', 'revision')
    results.push(result)
  }
  return { results, serverVersion: v.serverVersion }
}

/** Reads the answer to a pull from a cursor. */
export function readPull(v: unknown, cursor: number): PullAnswer {
  if (!isObject(v) || !Array.isArray(v.changes) || !isVersion(v.nextCursor) || typeof v.hasMore !== 'boolean') fail('it is not that of a pull')
  const { nextCursor, hasMore } = v
  if (nextCursor < cursor || (hasMore && nextCursor === cursor)) fail('it makes no progress')
  return {
    changes: v.changes.map(c => changeOf(c, x => x.op === 'delete', 'stamp')),
    nextCursor, hasMore, requiresSnapshot: v.requiresSnapshot === true,
  }
}

/** Reads a page of a snapshot. */
export function readSnapshot(v: unknown): SnapshotAnswer {
  if (!isObject(v) || !Array.isArray(v.items) || typeof v.snapshotId !== 'string' || !isVersion(v.highWatermark)) fail('it is not a page of a snapshot')
  return {
    snapshotId: v.snapshotId,
    highWatermark: v.highWatermark,
    items: v.items.map(c => changeOf(c, x => x.kind === 'tombstone', 'revision')),
    nextPageToken: typeof v.nextPageToken === 'string' && v.nextPageToken ? v.nextPageToken : null,
  }
}
