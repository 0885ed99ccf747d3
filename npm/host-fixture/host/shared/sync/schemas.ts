// The bodies of the sync endpoints. Keys that are not named are dropped, those of payloads kept.
import { z } from 'zod'

const count = z.int().min(0)

const ScopeSchema = z.object({ workspaceId: z.string().trim().min(1), projectId: z.string().optional() })

export const PendingOpSchema = z.object({
  id: z.string(),
  tableName: z.string(),
  operation: z.enum(['put', 'delete']),
  pk: z.string(),
  payload: z.unknown().optional(),
  stamp: z.object({ deviceId: z.string(), opId: z.uuid(), hlc: z.string(), clock: count }),
  createdAt: z.number(),
  attempts: count,
  nextAttemptAt: count.optional(),
  status: z.string(),
})

export const PushBatchSchema = z.object({ scope: ScopeSchema, ops: z.array(PendingOpSchema) })

export const PullRequestSchema = z.object({
  scope: ScopeSchema,
  cursor: count,
  limit: z.int().min(1).max(1000),
  tables: z.array(z.string()).optional(),
})

export const SnapshotRequestSchema = z.object({
  scope: ScopeSchema,
  pageSize: z.int().min(1).max(1000),
  pageToken: z.string().max(4096).optional(),
  tables: z.array(z.string()).optional(),
})

export const CursorRequestSchema = z.object({ scope: ScopeSchema, deviceId: z.string(), version: count })

export const GcRequestSchema = z.object({ scope: ScopeSchema, retentionSeconds: z.int().min(1) })

const time = z.number()
const row = { deleted: z.boolean(), created_at: time, updated_at: time, clock: z.number() }

/** What a put has to have, by table. */
export const TablePayloadSchemas: Record<string, z.ZodType | undefined> = {
  threads: z.looseObject({ ...row, id: z.string(), status: z.string(), pinned: z.boolean(), title: z.string().nullish() }),
  messages: z.looseObject({ ...row, id: z.string(), thread_id: z.string(), role: z.string(), order_key: z.string(), index: z.number() }),
  projects: z.looseObject({ ...row, id: z.string(), name: z.string() }),
  posts: z.looseObject({ ...row, id: z.string(), title: z.string(), content: z.string(), post_type: z.string() }),
  file_meta: z.looseObject({ ...row, hash: z.string() }),
  kv: z.looseObject({ id: z.string(), name: z.string(), created_at: time, updated_at: time, clock: z.number() }),
  notifications: z.looseObject({ ...row, id: z.string(), user_id: z.string(), type: z.string(), title: z.string() }),
}

const RevisionSchema = z.object({ clock: count, hlc: z.string().min(1), opId: z.string().min(1) })
const StampSchema = z.object({ deviceId: z.string().min(1).max(256), opId: z.uuid(), hlc: z.string().min(1).max(512), clock: count })

/** What the newest host demands of an adapter's answers. Anything else is a 502. */
export const PushResultSchema = z.object({
  serverVersion: count,
  results: z.array(z.object({
    opId: z.string(),
    success: z.boolean(),
    serverVersion: z.int().positive().optional(),
    error: z.string().optional(),
    errorCode: z.string().optional(),
    applied: z.boolean().optional(),
    replayed: z.boolean().optional(),
    payload: z.unknown().optional(),
    winner: z.union([
      z.object({ kind: z.literal('put'), payload: z.record(z.string(), z.unknown()), revision: RevisionSchema }),
      z.object({ kind: z.literal('delete'), revision: RevisionSchema, serverDeletedAt: count.optional() }),
    ]).optional(),
  })),
})

export const PullResponseSchema = z.object({
  changes: z.array(z.object({
    serverVersion: z.int().positive(),
    tableName: z.string(),
    pk: z.string(),
    op: z.enum(['put', 'delete']),
    payload: z.unknown().optional(),
    stamp: StampSchema,
  })).max(1000),
  nextCursor: count,
  hasMore: z.boolean(),
  oldestRetainedVersion: count,
  requiresSnapshot: z.boolean(),
})

export const SnapshotResponseSchema = z.object({
  workspaceId: z.string(),
  snapshotId: z.string().min(1),
  highWatermark: count,
  items: z.array(z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('row'), tableName: z.string(), pk: z.string(), payload: z.record(z.string(), z.unknown()), revision: RevisionSchema }),
    z.object({ kind: z.literal('tombstone'), tableName: z.string(), pk: z.string(), revision: RevisionSchema, serverDeletedAt: count }),
  ])),
  nextPageToken: z.string().min(1).max(4096).nullable(),
})
