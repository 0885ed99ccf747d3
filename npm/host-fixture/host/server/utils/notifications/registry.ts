import { Named } from '../named'

export interface NotificationEmitter {
  emitBackgroundJobComplete(workspaceId: string, userId: string, threadId: string, jobId: string): Promise<string | null>
  emitBackgroundJobError(workspaceId: string, userId: string, threadId: string, jobId: string, error: string): Promise<string | null>
}

const emitters = new Named<NotificationEmitter>()

export function registerNotificationEmitter(id: string, emitter: NotificationEmitter): void {
  emitters.register(id, emitter)
}

export const getNotificationEmitter = (id: string): NotificationEmitter | undefined => emitters.get(id)
