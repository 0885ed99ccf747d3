import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { In } from 'or3-cloud-engine'
import type { SyncGatewayAdapter } from '~~/server/sync/gateway/types'
import { registries } from './nuxt'
import { failure, person, startHost, type Host } from './rig'

let host: Host
let adapter: SyncGatewayAdapter
beforeAll(async () => {
  host = await startHost()
  adapter = registries.syncAdapters.ours()
})
afterAll(() => host.close())

const thread = (id: string) => ({ id, title: 'T', status: 'ready', deleted: false, pinned: false, forked: false, created_at: 1, updated_at: 1, clock: 1 })
const message = (id: string, index: number, more: object = {}) => ({
  id,
  thread_id: 't1',
  role: 'user',
  index,
  order_key: `a${index}`,
  deleted: false,
  created_at: 1,
  updated_at: 1,
  clock: 1,
  data: { content: id },
  ...more,
})

/** The first turn of a chat, as a background job asks for it. */
function turn(workspaceId: string): In<'sync/admit-chat-generation'> {
  return {
    version: 1,
    kind: 'new-turn',
    admissionId: randomUUID(),
    generationId: randomUUID(),
    workspaceId,
    threadId: 't1',
    messageId: 'm2',
    thread: thread('t1'),
    userMessage: message('m1', 0),
    assistantMessage: message('m2', 1, { role: 'assistant', pending: true, data: { content: '' } }),
  }
}

const snapshot = { status: 'complete', content: 'An answer', reasoning: '', completedAt: 1771000005123 } as const

describe('background answers', () => {
  test('are promised', async () => {
    await person()
    expect(adapter.capabilities).toMatchObject({ backgroundGenerationHistory: 'v1', canonicalChatHistory: 'v1' })
  })

  test('are admitted and finished once', async () => {
    const { userId, workspaceId, event } = await person()
    const actor = { userId, workspaceId }
    const admission = turn(workspaceId)
    expect(await adapter.admitChatGeneration(actor, admission)).toEqual({ status: 'admitted', replayed: false, serverVersion: expect.any(Number) })
    expect(await adapter.admitChatGeneration(actor, admission)).toMatchObject({ status: 'admitted', replayed: true })
    expect(await adapter.finalizeChatGeneration(actor, { admission, snapshot })).toEqual({ status: 'committed', replayed: false, serverVersion: expect.any(Number) })
    expect(await adapter.finalizeChatGeneration(actor, { admission, snapshot })).toMatchObject({ status: 'committed', replayed: true })
    const { changes } = await adapter.pull(event(), { scope: { workspaceId }, cursor: 0, limit: 10 })
    expect(changes.map(({ pk }) => pk)).toEqual(['t1', 'm1', 'm2'])
    expect(changes.at(-1)).toMatchObject({ payload: { pending: false, data: { content: 'An answer' } }, stamp: { deviceId: `background:${admission.generationId}` } })
  })

  test('do not bring back what has been deleted meanwhile', async () => {
    const { userId, workspaceId, event } = await person()
    const admission = turn(workspaceId)
    await adapter.admitChatGeneration({ userId, workspaceId }, admission)
    const stamp = { deviceId: '1a2b3c4d', opId: randomUUID(), hlc: 'z', clock: 9 }
    await adapter.push(event(), { scope: { workspaceId }, ops: [{ tableName: 'messages', operation: 'delete', pk: 'm2', stamp }] })
    expect(await adapter.finalizeChatGeneration({ userId, workspaceId }, { admission, snapshot })).toEqual({ status: 'superseded', reason: 'deleted' })
  })

  test('are refused in words by which the host knows that it need not try again', async () => {
    const [ann, bob] = [await person(), await person()]
    const actor = { userId: ann.userId, workspaceId: ann.workspaceId }
    const admission = turn(ann.workspaceId)
    expect(await failure(adapter.admitChatGeneration(actor, { ...admission, version: 2 }))).toMatchObject({ statusCode: 400, message: expect.stringMatching(/^Invalid background history/) })
    expect(await failure(adapter.admitChatGeneration({ ...actor, userId: bob.userId }, admission))).toMatchObject({ statusCode: 403, message: expect.stringMatching(/^Forbidden/) })
    const elsewhere = { ...actor, workspaceId: bob.workspaceId }
    for (const refused of [adapter.admitChatGeneration(elsewhere, admission), adapter.finalizeChatGeneration(elsewhere, { admission, snapshot })]) {
      expect(await failure(refused)).toMatchObject({ statusCode: 400, message: expect.stringMatching(/^Invalid background history/) })
    }
    await adapter.admitChatGeneration(actor, admission)
    const other = { ...admission, userMessage: message('m1', 0, { data: { content: 'another' } }) }
    expect(await failure(adapter.admitChatGeneration(actor, other))).toMatchObject({ statusCode: 409, message: expect.stringMatching(/^Conflicting background history/) })
  })
})

describe('chat history', () => {
  test('is read by thread, by message and in pages', async () => {
    const { userId, workspaceId, event } = await person()
    const actor = { userId, workspaceId }
    const rows = [['threads', thread('t1')], ...[0, 1, 2].map(i => ['messages', message(`m${i}`, i)] as const)] as const
    await adapter.push(event(), {
      scope: { workspaceId },
      ops: rows.map(([tableName, payload]) => ({
        tableName,
        operation: 'put' as const,
        pk: payload.id,
        payload,
        stamp: { deviceId: '1a2b3c4d', opId: randomUUID(), hlc: 'h', clock: 1 },
      })),
    })
    expect(await adapter.readChatHistory(actor, { kind: 'thread', thread_id: 't1' })).toMatchObject({ status: 'ok', thread: { id: 't1' }, project_ownership: 'resolved' })
    expect(await adapter.readChatHistory(actor, { kind: 'messages', message_ids: ['m1'] })).toMatchObject({ status: 'ok', messages: [{ id: 'm1', data: { content: 'm1' } }] })
    const first = await adapter.readChatHistory(actor, { kind: 'thread_page', thread_id: 't1', limit: 2 })
    expect(first).toMatchObject({ status: 'ok', messages: [{ id: 'm0' }, { id: 'm1' }], next_cursor: expect.any(String), revision: expect.any(String) })
    expect(await adapter.readChatHistory(actor, { kind: 'thread_page', thread_id: 't1', limit: 2, cursor: first.next_cursor })).toMatchObject({ messages: [{ id: 'm2' }] })
  })

  test('is for members, within its bounds, and ends when no one waits for it', async () => {
    const [ann, bob] = [await person(), await person()]
    const actor = { userId: ann.userId, workspaceId: ann.workspaceId }
    const query = { kind: 'thread', thread_id: 't1' } as const
    expect(await failure(adapter.readChatHistory({ ...actor, userId: bob.userId }, query))).toMatchObject({ statusCode: 403 })
    expect(await failure(adapter.readChatHistory(actor, { kind: 'thread_page', thread_id: 't1', limit: 101 }))).toMatchObject({ statusCode: 400 })
    expect(await failure(adapter.readChatHistory(actor, { kind: 'thread_page', thread_id: 't1', limit: 1, cursor: 'nonsense' }))).toMatchObject({ statusCode: 400 })
    const reason = new Error('the job was stopped')
    await expect(adapter.readChatHistory(actor, query, AbortSignal.abort(reason))).rejects.toBe(reason)
  })
})
