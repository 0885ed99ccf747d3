// A device that keeps documents in step: the smallest client of the sync endpoints that loses nothing.
import { reactive } from 'vue'
import type { PendingOp, PullResponse, PushResult, SyncChange } from '~~/shared/sync/types'

export interface Document {
  id: string
  title: string
  deleted: boolean
  clock: number
  file_hashes?: string | null
  [key: string]: unknown
}

/** Further requests carry this where a newer server demands it of changes. */
const intent = { 'x-or3-cloud-intent': 'mutation' }
const pageSize = 300
/** Between two looks where there are no live events, and between two tries, in milliseconds. */
const pause = 2000

export class Device {
  readonly documents = reactive(new Map<string, Document>())
  readonly state = reactive({ live: false, waiting: 0 })
  readonly #deviceId = crypto.randomUUID().slice(0, 8)
  readonly #queue: PendingOp[] = []
  #cursor = 0
  #pushing = false
  #pulling: Promise<void> = Promise.resolve()
  #events: EventSource | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(readonly workspaceId: string) {}

  start(): void {
    this.#look()
    this.#events = new EventSource(`/api/sync/events?workspaceId=${encodeURIComponent(this.workspaceId)}`)
    this.#events.addEventListener('version', () => {
      this.state.live = true
      void this.pull()
    })
    this.#events.onerror = () => {
      this.state.live = false
    }
  }

  stop(): void {
    this.#events?.close()
    clearTimeout(this.#timer)
  }

  /** Keeps a row of any table, here and, as soon as there is a way, on the server. */
  put(tableName: string, pk: string, payload: { clock: number } & Record<string, unknown>): void {
    const now = Date.now()
    const stamp = { deviceId: this.#deviceId, opId: crypto.randomUUID(), hlc: this.#hlc(now), clock: payload.clock }
    this.#queue.push({ id: crypto.randomUUID(), tableName, operation: 'put', pk, payload, stamp, createdAt: now, attempts: 0, status: 'pending' })
    this.state.waiting = this.#queue.length
    if (tableName === 'posts') this.documents.set(pk, payload as unknown as Document)
    void this.#push()
  }

  write(title: string, more: Record<string, unknown> = {}): void {
    const seconds = Math.floor(Date.now() / 1000)
    const id = crypto.randomUUID()
    this.put('posts', id, { id, title, content: '', post_type: 'doc', deleted: false, created_at: seconds, updated_at: seconds, clock: 1, ...more })
  }

  /** Gets what others have changed. */
  pull(): Promise<void> {
    return this.#pulling = this.#pulling.then(() => this.#pullAll()).catch(() => undefined)
  }

  /** Looks from time to time, for hosts without live events and for what they miss. */
  #look(): void {
    void this.pull().then(() => {
      this.#timer = setTimeout(() => this.#look(), pause)
    })
  }

  async #pullAll(): Promise<void> {
    for (let more = true; more;) {
      const scope = { workspaceId: this.workspaceId }
      const { changes, nextCursor, hasMore } = await $fetch<PullResponse>('/api/sync/pull', {
        method: 'POST', headers: intent, body: { scope, cursor: this.#cursor, limit: pageSize },
      })
      for (const change of changes) this.#apply(change)
      more = hasMore && nextCursor > this.#cursor
      this.#cursor = nextCursor
    }
  }

  #apply({ tableName, pk, op, payload, stamp }: SyncChange): void {
    if (tableName !== 'posts') return
    const known = this.documents.get(pk)
    if (known && known.clock > stamp.clock) return
    if (op === 'put') this.documents.set(pk, payload as Document)
    else this.documents.delete(pk)
  }

  async #push(): Promise<void> {
    if (this.#pushing) return
    this.#pushing = true
    while (this.#queue.length > 0) {
      const ops = this.#queue.slice(0, 50)
      try {
        const { results } = await $fetch<PushResult>('/api/sync/push', {
          method: 'POST', headers: intent, body: { scope: { workspaceId: this.workspaceId }, ops }, retry: 0,
        })
        const done = new Set(results.filter(({ success }) => success).map(({ opId }) => opId))
        const rest = this.#queue.filter(({ stamp }) => !done.has(stamp.opId))
        this.#queue.splice(0, Infinity, ...rest)
        this.state.waiting = rest.length
        if (done.size === 0) break
      }
      catch {
        await new Promise(resolve => setTimeout(resolve, pause))
      }
    }
    this.#pushing = false
  }

  #hlc(now: number): string {
    return `${now.toString(36).padStart(9, '0')}:000:${this.#deviceId}`
  }
}
