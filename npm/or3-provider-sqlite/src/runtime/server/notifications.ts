// NotificationEmitter (contract, client-behaviour §13).
import { createHash } from 'node:crypto'
import { isError } from 'h3'
import type { NotificationEmitter } from '~~/server/utils/notifications/registry'
import { cloud } from './cloud'

/**
 * One id for one event of a job, as a version 8 UUID (RFC 9562), so that an event that is reported twice is written
 * once.
 */
export function notificationId(...parts: string[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Notifies the owner of a background job how it ended: through the log of the workspace, so on every device. */
export function notificationEmitter(): NotificationEmitter {
  async function tell(
    jobId: string,
    news: { type: string, title: string, body: string, workspaceId: string, userId: string, threadId: string },
  ): Promise<string | null> {
    const id = notificationId(jobId, news.type, news.workspaceId, news.userId)
    try {
      await cloud.call(undefined, 'notifications/notify', { id, ...news })
      return id
    }
    catch (error) {
      if (isError(error) && error.statusCode === 403) return null // former members are not notified
      throw error
    }
  }
  return {
    emitBackgroundJobComplete: (workspaceId, userId, threadId, jobId) =>
      tell(jobId, {
        type: 'ai.background.complete',
        title: 'AI response ready',
        body: 'Your background response is ready.',
        workspaceId,
        userId,
        threadId,
      }),
    emitBackgroundJobError: (workspaceId, userId, threadId, jobId, error) =>
      tell(jobId, {
        type: 'ai.background.error',
        title: 'AI response failed',
        body: error,
        workspaceId,
        userId,
        threadId,
      }),
  }
}
