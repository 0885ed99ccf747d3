import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BackgroundJobProvider, Execution, NewJob } from '~~/server/utils/background-jobs/types'
import { registries } from './nuxt'
import { failure, person, selectedHost, startHost, type Host, type Person } from './rig'

let host: Host
let jobs: BackgroundJobProvider
let ann: Person
beforeAll(async () => {
  const backgroundJobs = { ...selectedHost.backgroundJobs, maxConcurrentJobs: 1000, maxConcurrentJobsPerUser: 3 }
  host = await startHost({ runtime: { ...selectedHost, backgroundJobs } })
  jobs = registries.jobs.ours
  ann = await person()
})
afterAll(() => host.close())

const nobody = randomUUID()

const execution = (of: Person, more: Partial<Execution> = {}): Execution => ({
  version: 1,
  body: { model: 'm', messages: [] },
  workspaceId: of.workspaceId,
  referer: '',
  apiKeyCiphertext: 'v1.secret',
  history: { admissionId: 'a1', workspaceId: of.workspaceId },
  ...more,
})

const job = (of: Person, more: Partial<NewJob> = {}): NewJob => ({ userId: of.userId, threadId: 't1', messageId: 'm1', model: 'a/model', ...more })

const named = (name: string) => expect.objectContaining({ name }) as Error

describe('a job', () => {
  test('is made, fed and completed', async () => {
    const of = await person()
    const id = await jobs.createJob(job(of, { kind: 'chat', initialContent: 'So ', tool_calls: [{ name: 'search', status: 'loading' }] }))
    await jobs.updateJob(id, { contentChunk: 'far ', reasoningChunk: 'Hm', chunksReceived: 1 })
    await jobs.updateJob(id, { contentChunk: '😀', chunksReceived: 2, usage: { prompt_tokens: 3 }, tool_calls: [{ name: 'search', status: 'complete' }] })
    expect(await jobs.getJob(id, of.userId)).toMatchObject({
      id,
      userId: of.userId,
      threadId: 't1',
      messageId: 'm1',
      model: 'a/model',
      kind: 'chat',
      status: 'streaming',
      content: 'So far 😀',
      reasoning: 'Hm',
      chunksReceived: 2,
      startedAt: expect.any(Number),
      usage: { prompt_tokens: 3 },
      tool_calls: [{ name: 'search', status: 'complete' }],
    })
    await jobs.completeJob(id, 'All of it')
    await jobs.updateJob(id, { contentChunk: 'late' })
    await jobs.failJob(id, 'late')
    expect(await jobs.getJob(id, '*')).toMatchObject({ status: 'complete', content: 'All of it', completedAt: expect.any(Number) })
  })

  test('fails, or is aborted by its user', async () => {
    const of = await person()
    const [failing, aborted] = [await jobs.createJob(job(of)), await jobs.createJob(job(of))]
    await jobs.failJob(failing, 'The model has gone')
    expect(await jobs.getJob(failing, of.userId)).toMatchObject({ status: 'error', error: 'The model has gone' })
    expect(await jobs.abortJob(aborted, ann.userId)).toBe(false)
    expect(await jobs.checkJobAborted(aborted)).toBe(false)
    expect(await jobs.abortJob(aborted, of.userId)).toBe(true)
    expect(await jobs.abortJob(aborted, of.userId)).toBe(false)
    expect(await jobs.checkJobAborted(aborted)).toBe(true)
  })

  test('of another user, or that is not there, is null', async () => {
    const id = await jobs.createJob(job(ann, { execution: { version: 1, kind: 'workflow', workspaceId: ann.workspaceId }, kind: 'workflow' }))
    const of = await person()
    expect(await jobs.getJob(id, of.userId)).toBeNull()
    expect(await jobs.getJob(nobody, ann.userId)).toBeNull()
    expect(await jobs.getJob(id, ann.userId)).toMatchObject({ kind: 'workflow', execution: { kind: 'workflow', workspaceId: ann.workspaceId } })
    await jobs.updateJob(nobody, { contentChunk: 'x' })
    await jobs.completeJob(nobody, 'x')
    expect(await jobs.abortJob(nobody, '*')).toBe(false)
    expect(await jobs.checkJobAborted(nobody)).toBe(false)
    await jobs.abortJob(id, '*')
  })

  test('is one too many in words that the host knows', async () => {
    const of = await person()
    const ids = [await jobs.createJob(job(of)), await jobs.createJob(job(of)), await jobs.createJob(job(of))]
    expect(await jobs.getActiveJobCount()).toBeGreaterThanOrEqual(3)
    expect(await failure(jobs.createJob(job(of)))).toMatchObject({ statusCode: 503, message: expect.stringContaining('Max concurrent') })
    for (const id of ids) await jobs.abortJob(id, of.userId)
    expect(await jobs.cleanupExpired()).toEqual(expect.any(Number))
  })

  test('is one under its key, and none if that was cancelled', async () => {
    const of = await person()
    const idempotencyKey = randomUUID()
    const id = await jobs.createJob(job(of, { idempotencyKey, initialContent: 'once' }))
    expect(await jobs.createJob(job(of, { idempotencyKey, initialContent: 'once' }))).toBe(id)
    expect(await jobs.findJobByIdempotencyKey(idempotencyKey, of.userId)).toMatchObject({ id, content: 'once' })
    expect(await jobs.findJobByIdempotencyKey(idempotencyKey, ann.userId)).toBeNull()
    expect(await jobs.cancelAdmission(of.userId, idempotencyKey)).toEqual({ aborted: true, jobId: id, pending: false })
    const never = randomUUID()
    expect(await jobs.cancelAdmission(of.userId, never)).toEqual({ aborted: false, pending: true })
    await expect(jobs.createJob(job(of, { idempotencyKey: never }))).rejects.toEqual(named('AdmissionCancelledError'))
  })

  test('is for those who may write in its workspace', async () => {
    const of = await person()
    expect(await failure(jobs.createJob(job(of, { execution: execution(ann) })))).toMatchObject({ statusCode: 403 })
  })
})

describe('workers', () => {
  test('have a job one at a time, and lose it with their lease', async () => {
    const of = await person()
    const id = await jobs.createJob(job(of, { execution: execution(of), initialContent: 'base' }))
    const now = Date.now()
    const claimed = await jobs.claimJob(id, 'one', now, now + 30_000)
    expect(claimed).toMatchObject({ id, content: 'base', attempts: 1, leaseOwner: 'one', leaseExpiresAt: expect.any(Number), execution: execution(of) })
    expect(await jobs.claimJob(id, 'two', now, now + 30_000)).toBeNull()
    expect(await jobs.renewJobLease(id, 'one', now, now + 60_000)).toBe(true)
    expect(await jobs.renewJobLease(id, 'two', now, now + 60_000)).toBe(false)
    expect(await jobs.updateJobExecution(id, execution(of, { contentBase: 'checkpoint' }), 'one')).toBe(true)
    await jobs.updateJob(id, { contentChunk: ' more', leaseOwner: 'one' })
    await expect(jobs.updateJob(id, { contentChunk: 'x', leaseOwner: 'two' })).rejects.toEqual(named('BackgroundJobLeaseLostError'))
    await expect(jobs.completeJob(id, 'x', 'two')).rejects.toEqual(named('BackgroundJobLeaseLostError'))
    await expect(jobs.failJob(nobody, 'x', 'two')).rejects.toEqual(named('BackgroundJobLeaseLostError'))
    expect(await jobs.getJob(id, of.userId)).toMatchObject({ content: 'base more' })
    await jobs.abortJob(id, of.userId)
    await expect(jobs.updateJob(id, { contentChunk: 'x', leaseOwner: 'one' })).rejects.toEqual(named('BackgroundJobLeaseLostError'))
  })

  test('go on from the checkpoint of one that is gone', async () => {
    const of = await person()
    const id = await jobs.createJob(job(of, { execution: execution(of, { contentBase: 'checkpoint ' }) }))
    await jobs.claimJob(id, 'one', 0, 1)
    await jobs.updateJob(id, { contentChunk: 'partial', leaseOwner: 'one' }).catch(() => undefined) // the lease has ended, mostly
    const taken = await until(() => jobs.claimJob(id, 'two', 0, 30_000))
    expect(taken).toMatchObject({ id, attempts: 2, content: 'checkpoint ', execution: { contentBase: 'checkpoint ' } })
    await jobs.completeJob(id, 'checkpoint and all', 'two')
  })

  test('take what waits, and nothing that has to be admitted first', async () => {
    const of = await person()
    const waiting = await jobs.createJob(job(of, { execution: execution(of), historyPhase: 'admission_pending' }))
    expect(await jobs.claimJob(waiting, 'one', 0, 30_000)).toBeNull()
    expect(await jobs.claimNextJob('one', 0, 30_000)).toBeNull()
    expect(await jobs.setHistoryPhase(waiting, 'ready', { from: ['admission_pending'] })).toBe(true)
    expect(await jobs.claimNextJob('one', 0, 30_000)).toMatchObject({ id: waiting })
    await jobs.abortJob(waiting, of.userId)
  })
})

describe('the way into the history', () => {
  const mine = async (id: string) => (await jobs.getPendingHistoryJobs(100)).find(pending => pending.id === id)

  test('begins with the admission and ends with what the host says', async () => {
    const of = await person()
    const id = await jobs.createJob(job(of, { execution: execution(of), generationId: 'g1', syncProviderId: 'sqlite', historyPhase: 'admission_pending' }))
    expect(await mine(id)).toMatchObject({ id, status: 'streaming', syncProviderId: 'sqlite', generationId: 'g1', execution: { history: { admissionId: 'a1' } } })
    expect(await jobs.setHistoryPhase(id, 'committed', { from: ['finalization_pending'] })).toBe(false)
    expect(await jobs.setHistoryPhase(id, 'ready', { from: ['admission_pending'] })).toBe(true)
    expect(await jobs.setHistoryPhase(nobody, 'ready')).toBe(false)
    expect(await mine(id)).toBeUndefined()

    await jobs.claimJob(id, 'one', 0, 30_000)
    await jobs.updateJob(id, { contentChunk: 'An ans', leaseOwner: 'one' })
    const snapshot = { status: 'complete', content: 'An answer', reasoning: 'Hm', usage: { prompt_tokens: 1 }, completedAt: 1771000005123 } as const
    expect(await jobs.saveTerminalSnapshot(id, snapshot, 'two')).toBe(false)
    expect(await jobs.saveTerminalSnapshot(id, snapshot, 'one')).toBe(true)
    expect(await jobs.saveTerminalSnapshot(id, { ...snapshot, content: 'Another' }, 'one')).toBe(false)
    expect(await jobs.getJob(id, of.userId)).toMatchObject({ status: 'complete', content: 'An answer', reasoning: 'Hm', historyPhase: 'finalization_pending' })
    const pending = await mine(id)
    expect(pending).toMatchObject({ status: 'complete', content: 'An answer', usage: { prompt_tokens: 1 }, completedAt: 1771000005123, execution: { history: { admissionId: 'a1' } } })
    expect(JSON.stringify(pending)).not.toContain('secret')
    expect(await jobs.setHistoryPhase(id, 'committed', { from: ['finalization_pending'] })).toBe(true)
    expect(await jobs.setHistoryPhase(id, 'blocked', { from: ['admission_pending', 'finalization_pending'] })).toBe(false)
    expect(await mine(id)).toBeUndefined()
  })

  test('is open for what a user has aborted', async () => {
    const of = await person()
    const id = await jobs.createJob(job(of, { execution: execution(of), syncProviderId: 'sqlite', historyPhase: 'ready' }))
    await jobs.updateJob(id, { contentChunk: 'Half' })
    await jobs.abortJob(id, of.userId)
    const snapshot = { status: 'complete', content: 'late', reasoning: '', completedAt: 1 } as const
    expect(await jobs.saveTerminalSnapshot(id, snapshot)).toBe(false)
    expect(await mine(id)).toMatchObject({ status: 'aborted', content: 'Half', completedAt: expect.any(Number), execution: { history: { admissionId: 'a1' } } })
  })
})

async function until<T>(ask: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await ask()
    if (found !== null) return found
  }
}
