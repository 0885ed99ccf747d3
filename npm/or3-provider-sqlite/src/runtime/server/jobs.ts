// BackgroundJobProvider (contract, client-behaviour §11).
import { createError, isError } from 'h3'
import type { In, Method, Out, Schemas } from 'or3-cloud-engine'
import { useRuntimeConfig } from '#imports'
import type {
  BackgroundJob,
  BackgroundJobProvider,
  Execution,
  TerminalSnapshot,
} from '~~/server/utils/background-jobs/types'
import { cloud } from './cloud'
import { given, without } from './given'

/** Means any user when a job is requested. */
const anyone = '*'

/** The part of the host's configuration that limits jobs. */
interface Bounds {
  maxConcurrentJobs?: number
  maxConcurrentJobsPerUser?: number
  jobTimeoutMs?: number
  completedJobRetentionMs?: number
}

/**
 * What is kept of a job after its end, so that its answer gets into the history: the execution without what is needed
 * to continue.
 */
interface Context {
  syncProviderId?: string
  execution?: Partial<Execution>
}

/** Jobs that outlive the host: if its process is gone, another one takes them over. */
export function jobProvider(name: string): BackgroundJobProvider {
  const provider: BackgroundJobProvider = {
    name,

    async createJob(params) {
      const { backgroundJobs = {} } = useRuntimeConfig() as { backgroundJobs?: Bounds }
      const { execution } = params
      const admission = await call('jobs/create', {
        ...given({
          userId: params.userId,
          workspaceId: execution?.workspaceId,
          threadId: params.threadId,
          messageId: params.messageId,
          model: params.model,
          kind: params.kind,
          idempotencyKey: params.idempotencyKey,
          generationId: params.generationId,
          historyPhase: params.historyPhase,
          execution: execution && execution.kind !== 'workflow' ? JSON.stringify(execution) : undefined,
          context: contextOf(params.syncProviderId, execution),
          content: params.initialContent || undefined,
          reasoning: params.initialReasoning || undefined,
          tool_calls: params.tool_calls,
          workflow_state: params.workflow_state,
          maxJobs: backgroundJobs.maxConcurrentJobs,
          maxJobsPerUser: backgroundJobs.maxConcurrentJobsPerUser,
          timeoutMs: backgroundJobs.jobTimeoutMs,
          retentionMs: backgroundJobs.completedJobRetentionMs,
        }),
      }).catch((error: unknown) => {
        // The host recognizes a full server by this text.
        if (statusOf(error) === 429) throw createError({ statusCode: 503, message: 'Max concurrent background jobs reached' })
        throw error
      })
      const { jobId } = admission
      if (jobId === null) throw named('AdmissionCancelledError', `Background admission ${params.idempotencyKey ?? ''} was cancelled`)
      return jobId
    },

    async getJob(jobId, userId) {
      // A caller who asks for any user's job is the worker.
      const { job, content, reasoning } = await call('jobs/get', { jobId, userId, withContext: userId === anyone })
      return job && jobOf(job, content?.text, reasoning?.text)
    },

    async updateJob(jobId, { leaseOwner, contentChunk, reasoningChunk, chunksReceived, tool_calls, workflow_state, usage }) {
      const change = given({ leaseOwner, contentChunk, reasoningChunk, chunksReceived, tool_calls, workflow_state, usage })
      const state = await held(leaseOwner, () => call('jobs/update', { jobId, ...change }), undefined)
      if (leaseOwner && state?.status !== 'streaming') throw leaseLost()
    },

    async completeJob(jobId, content, leaseOwner) {
      const { done } = await held(leaseOwner, () => call('jobs/complete', given({ jobId, content, leaseOwner })), { done: false })
      if (leaseOwner && !done) throw leaseLost()
    },

    async failJob(jobId, error, leaseOwner) {
      const { done } = await held(leaseOwner, () => call('jobs/fail', given({ jobId, error, leaseOwner })), { done: false })
      if (leaseOwner && !done) throw leaseLost()
    },

    async abortJob(jobId, userId) {
      return (await call('jobs/abort', { jobId, userId })).done
    },

    async checkJobAborted(jobId) {
      return (await call('jobs/get', { jobId, userId: anyone })).job?.status === 'aborted'
    },

    claimJob: (jobId, owner, now, leaseExpiresAt) => claim({ jobId, owner, leaseMs: leaseExpiresAt - now }),

    claimNextJob: (owner, now, leaseExpiresAt) => claim({ owner, leaseMs: leaseExpiresAt - now }),

    async renewJobLease(jobId, owner, now, leaseExpiresAt) {
      return (await call('jobs/renew-lease', { jobId, owner, leaseMs: leaseExpiresAt - now })).done
    },

    async updateJobExecution(jobId, execution, owner) {
      return (await call('jobs/update-execution', { jobId, owner, execution: JSON.stringify(execution) })).done
    },

    async findJobByIdempotencyKey(key, userId) {
      const { job } = await call('jobs/find-by-idempotency-key', { key, userId })
      return job && provider.getJob(job.id, userId)
    },

    cancelAdmission: (userId, admissionId) => call('jobs/cancel-admission', { userId, admissionId }),

    async saveTerminalSnapshot(jobId, snapshot, leaseOwner) {
      const end = given({ jobId, snapshot, leaseOwner })
      // If the job has ended, is gone, or has another worker, the first result stays.
      const save = () => unless(409, () => call('jobs/save-terminal-snapshot', end), { done: false })
      return (await unless(404, save, { done: false })).done
    },

    async setHistoryPhase(jobId, phase, { from } = {}) {
      return (await call('jobs/set-history-phase', given({ jobId, phase, from }))).done
    },

    async getPendingHistoryJobs(limit) {
      const { jobs } = await call('jobs/get-pending-history', { limit: Math.min(Math.max(limit, 1), 100) })
      return jobs.map(({ job, snapshot }) => withSnapshot(jobOf(job), snapshot as TerminalSnapshot | undefined))
    },

    async cleanupExpired() {
      return (await call('jobs/cleanup-expired', {})).count
    },

    async getActiveJobCount() {
      return (await call('jobs/count-active', { userId: anyone })).count
    },
  }

  /** A worker continues from the last checkpoint. */
  async function claim(input: In<'jobs/claim'>): Promise<BackgroundJob | null> {
    const { job: claimed, execution } = await call('jobs/claim', { ...input, leaseMs: Math.max(1, input.leaseMs) })
    if (!claimed) return null
    const going = execution ? (JSON.parse(execution) as Execution) : undefined
    const base = given({
      contentChunk: going?.contentBase || undefined,
      reasoningChunk: going?.reasoningBase || undefined,
    })
    const again = claimed.attempts > 1 && Object.keys(base).length > 0
    if (again) await call('jobs/update', { jobId: claimed.id, leaseOwner: input.owner, ...base })
    const job = await provider.getJob(claimed.id, anyone)
    return job && { ...job, ...(going && { execution: going }) }
  }

  return provider
}

/** A job has no session. */
function call<N extends Method>(method: N, input: In<N>): Promise<Out<N>> {
  return cloud.call(undefined, method, input)
}

function contextOf(syncProviderId: string | undefined, execution: Execution | undefined): Context {
  return given({ syncProviderId, execution: execution && without(execution, 'body', 'apiKeyCiphertext') })
}

function jobOf(job: Schemas['Job'], content = '', reasoning = ''): BackgroundJob {
  const { workspaceId, leaseUntil, context, ...rest } = without(job, 'idempotencyKey', 'admissionId')
  const { syncProviderId, execution = scopeOf(workspaceId, job.kind) } = (context ?? {}) as Context
  return {
    ...(rest as Omit<typeof rest, 'tool_calls'> & Pick<BackgroundJob, 'tool_calls'>),
    ...given({ leaseExpiresAt: leaseUntil, syncProviderId, execution: execution as Execution | undefined }),
    content,
    reasoning,
  }
}

/** The workspace of a job, by which the host decides who may see it. */
function scopeOf(workspaceId: string | undefined, kind: string): Execution | undefined {
  if (!workspaceId) return undefined
  return { version: 1, workspaceId, ...(kind === 'workflow' && { kind }) }
}

/** The saved end of a job counts, even if the process died before it could report it. */
function withSnapshot(job: BackgroundJob, snapshot: TerminalSnapshot | undefined): BackgroundJob {
  if (!snapshot) return job
  const { status, content, reasoning, toolCalls, usage, error, completedAt } = snapshot
  return { ...job, status, content, reasoning, completedAt, ...given({ tool_calls: toolCalls, usage, error }) }
}

function statusOf(error: unknown): number | undefined {
  return isError(error) ? error.statusCode : undefined
}

/** If the job is gone, a worker without a lease changes nothing; a worker with a lease has lost it. */
async function held<T, Gone>(leaseOwner: string | undefined, ask: () => Promise<T>, gone: Gone): Promise<T | Gone> {
  try {
    return await ask()
  }
  catch (error) {
    if (statusOf(error) === 409) throw leaseLost()
    if (statusOf(error) !== 404) throw error
    if (leaseOwner) throw leaseLost()
    return gone
  }
}

async function unless<T>(status: number, ask: () => Promise<T>, then: T): Promise<T> {
  try {
    return await ask()
  }
  catch (error) {
    if (statusOf(error) === status) return then
    throw error
  }
}

const leaseLost = () => named('BackgroundJobLeaseLostError', 'Background job lease was superseded')

/** The host recognizes these errors by name. */
function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name })
}
