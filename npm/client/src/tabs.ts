// Tabs of one browser share a database. One of them syncs it, and reports its progress to the others.
import type { SyncStatus } from './events.js'

type Message = { type: 'status', status: SyncStatus } | { type: 'wake' } | { type: 'captured' } | { type: 'ask' }

export class Tabs {
  readonly #name: string
  readonly #channel: BroadcastChannel | undefined
  /**
   * Whether this tab is the one that syncs. In browsers without locks every tab does, which costs requests and
   * nothing else.
   */
  leads = false

  constructor(name: string, heard: { status: (s: SyncStatus) => void, wake: () => void, captured: () => void, ask: () => void }) {
    this.#name = `or3-cloud-client:${name}`
    if (!globalThis.navigator?.locks || typeof BroadcastChannel === 'undefined') return
    this.#channel = new BroadcastChannel(this.#name)
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.type === 'status') heard.status(data.status)
      else heard[data.type]()
    }
  }

  say(message: Message): void {
    this.#channel?.postMessage(message)
  }

  /** Runs work in one tab at a time; this tab's turn may come when others are closed. */
  async lead(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const run = async (): Promise<void> => {
      this.leads = true
      await work()
    }
    if (!globalThis.navigator?.locks) return run()
    try {
      await navigator.locks.request(this.#name, { signal }, run)
    }
    catch (error) {
      if (!signal.aborted) throw error
    }
  }

  close(): void {
    this.#channel?.close()
  }
}
