// Sync of one database: what is done when, and which events it emits.
import type { Dexie } from 'dexie'
import { Captures } from './capture.js'
import { asSyncError, SyncError } from './errors.js'
import { Listeners, type SyncEvents, type SyncState, type SyncStatus } from './events.js'
import { Files } from './files.js'
import { Http } from './http.js'
import { mayHaveMarks } from './json.js'
import { listen } from './live.js'
import { HandedOver, Replica } from './replica.js'
import { readSession, sessionChanged } from './session.js'
import { storesOf, type State } from './stores.js'
import { Tables } from './tables.js'
import { Tabs } from './tabs.js'
import { readPull, readPush, readSnapshot, type Change, type PullAnswer, type Schemas, type SnapshotAnswer, type WireOp, type WireTable } from './wire.js'

/** What `connect` takes. */
export interface SyncOptions {
  /** The tables of the app that are synced. Their keys are texts, such as `crypto.randomUUID()`. */
  tables?: readonly string[]
  /** Tables of OR3 Chat to share with it, by its names. Their rows follow its contract. */
  chat?: readonly Exclude<WireTable, 'file_meta'>[]
  /**
   * The name under which the server keeps the app's rows, the same on all devices. Without it, that of the database.
   */
  app?: string
  /** The workspace; without it, that of the first user who signs in. */
  workspace?: string
  /** The server's address; without it, that of the page. */
  url?: string
  /** `false`: syncs only when `now` is called. */
  auto?: boolean
  /** Another `fetch`, such as one with cookies of its own in Node.js. */
  fetch?: typeof globalThis.fetch
}

/** Waits between rounds, in milliseconds. */
const waits = {
  /** With a stream of versions, which says when there is something new. */
  live: 60_000,
  /** Without one. */
  polling: 3_000,
  /** After an error: from the first to the longest. */
  first: 500, longest: 15_000,
  /** While the server refuses, until someone signs in or the role changes. */
  refused: 30_000,
  /** Before the number of waiting rows is reported. */
  count: 200,
}

/** How often the device reports its progress to the server, in milliseconds. The server's collector needs it. */
const cursorEvery = 60_000

/** The number of changes in a page. */
const pageSize = 1000

/** Data whose text may contain encoded values that JSON does not support. */
interface Marked { marks: boolean }
type Page = SnapshotAnswer & Marked

/** A row that the server or the database does not accept. */
export interface SyncProblem {
  kind: 'refused' | 'unapplied'
  table: string
  key: string
  message: string
}

/** Keeps a database and a workspace in sync. Created by `connect`. */
export class Sync {
  /** Files, whose content is too large for rows. */
  readonly files: Files
  readonly #listeners = new Listeners()
  readonly #replica: Replica
  readonly #tables: Tables
  readonly #http: Http
  readonly #tabs: Tabs
  readonly #ended = new AbortController()
  readonly #options: SyncOptions
  #status: SyncStatus = { state: 'starting', pending: 0, readOnly: false, syncedAt: null, error: null }
  /** The owner of the database, once the server has said who is signed in; `undefined` makes it ask again. */
  #state: State | undefined
  #stream: AbortController | undefined
  #streaming = false
  /** When to request a stream again after a failure, in milliseconds. */
  #streamAfter = 0
  /** Why another round is needed since the last one began: it was requested, or the app has written. */
  #asked = false
  #captures = false
  #counting: ReturnType<typeof setTimeout> | undefined
  #countAfter = waits.count
  #wake: (() => void) | undefined
  #pullDue = true
  #pulledAt = 0
  /** The workspace and the owner of the database, once known. */
  #workspace = ''
  #user = ''
  #refusedUntil = 0
  #pushAfter = 0
  #cursorSaid = { at: 0, cursor: -1 }
  #rounds = 0
  #waiting: { after: number, done: (s: SyncStatus) => void }[] = []
  readonly #run: Promise<void>

  constructor(db: Dexie, options: SyncOptions) {
    this.#options = options
    const { tables = [], chat = [], app = db.name, url = '', fetch = globalThis.fetch.bind(globalThis) } = options
    const stores = storesOf(db)
    this.#tables = new Tables(db, app, tables, chat)
    this.#http = new Http(url.replace(/\/+$/, ''), fetch, Date.now)
    this.#tabs = new Tabs(db.name, {
      status: s => this.#tabs.leads || this.#set({ ...s, state: s.state === 'closed' ? 'following' : s.state }),
      wake: () => this.#tabs.leads && this.wake(),
      captured: () => this.#tabs.leads && this.#captured(),
      ask: () => this.#tabs.leads && this.#tabs.say({ type: 'status', status: this.#status }),
    })
    const captures = new Captures(db, this.#tables.names, () => this.#captured())
    this.#replica = new Replica(db, stores, this.#tables, captures, this.#listeners.emit, Date.now)
    this.files = new Files(db, stores, this.#http, this.#listeners.emit, this.#ended.signal)
    this.#watch(db)
    this.#tabs.say({ type: 'ask' })
    this.#run = this.#tabs.lead(() => this.#loop(), this.#ended.signal)
  }

  /** The current status. */
  get status(): SyncStatus {
    return this.#status
  }

  /** Listens to an event; call what it returns to stop. */
  on<K extends keyof SyncEvents>(name: K, listener: (event: SyncEvents[K]) => void): () => void {
    return this.#listeners.on(name, listener)
  }

  /** The status now and whenever it changes, as stores of Svelte and observables have it. */
  subscribe(listener: (status: SyncStatus) => void): () => void {
    listener(this.#status)
    return this.on('status', listener)
  }

  /**
   * Syncs at once instead of waiting, and returns the status afterwards: `live` if everything is in sync. It
   * never rejects.
   */
  async now(): Promise<SyncStatus> {
    if (this.#ended.signal.aborted) return this.#status
    if (!this.#tabs.leads) {
      this.wake()
      return this.#status
    }
    // The round under way may have begun too early to see everything.
    return new Promise((done) => {
      this.#waiting.push({ after: this.#rounds + 1, done })
      this.wake()
    })
  }

  /** Signals that there may be something to do. */
  wake(): void {
    if (this.#ended.signal.aborted) return
    this.#asked = true
    this.#pullDue = true
    this.#pushAfter = 0
    if (!this.#tabs.leads) this.#tabs.say({ type: 'wake' })
    this.#wake?.()
  }

  /** How many rows wait to be sent. */
  pending(): Promise<number> {
    return this.#replica.pending()
  }

  /** The rows that the server or the database does not accept. */
  async problems(): Promise<SyncProblem[]> {
    const { outbox, unapplied } = this.#replica.stores
    const refused = (await outbox.toArray()).filter(o => o.refused)
    return [
      ...refused.map(o => ({ kind: 'refused' as const, table: o.table, key: o.key, message: o.refused!.message })),
      ...(await unapplied.toArray()).map(u => ({ kind: 'unapplied' as const, ...this.#tables.placeOf(u.change)!, message: u.error })),
    ]
  }

  /** Retries everything that was refused, at once. */
  async retry(): Promise<void> {
    await this.#replica.retry()
    this.wake()
  }

  /**
   * Removes all synced rows from this device, so that another account can use the database. Rejects with
   * `other-account` if there are unsent edits, unless the caller gives them up.
   */
  async clear({ discardUnsent = false } = {}): Promise<void> {
    await this.#replica.clear(discardUnsent)
    this.#state = undefined
    this.#stream?.abort()
    this.wake()
  }

  /** Ends sync. Writes are captured all the same, and are sent when the database is connected the next time. */
  async close(): Promise<void> {
    this.#ended.abort()
    clearTimeout(this.#counting)
    this.#wake?.()
    await this.#run.catch(() => undefined)
    await this.files.idle()
    this.#set({ ...this.#status, state: 'closed' })
    this.#tabs.close()
    for (const { done } of this.#waiting.splice(0)) done(this.#status)
  }

  #set(status: SyncStatus): void {
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return
    this.#status = status
    this.#listeners.emit('status', status)
    if (this.#tabs.leads) this.#tabs.say({ type: 'status', status })
  }

  #captured(): void {
    if (!this.#tabs.leads) return this.#tabs.say({ type: 'captured' })
    this.#captures = true
    this.#count()
    this.#wake?.()
  }

  /**
   * Reports soon how many rows are waiting, because a round may have to wait itself. Apps that write all the time
   * are not slowed down.
   */
  #count(): void {
    this.#counting ??= setTimeout(() => {
      this.#counting = undefined
      const before = Date.now()
      void this.#replica.pending().then((pending) => {
        this.#countAfter = Math.max(waits.count, 100 * (Date.now() - before))
        if (!this.#ended.signal.aborted) this.#set({ ...this.#status, pending })
      }, () => undefined)
    }, this.#countAfter)
  }

  /** Wakes up when the browser signals that things may have changed. */
  #watch(db: Dexie): void {
    if (this.#options.auto === false) return
    const { signal } = this.#ended
    const wake = (): void => this.wake()
    const session = (): void => {
      this.#state = undefined
      this.wake()
    }
    const on = (target: unknown, event: string, listener: (e: Event) => void): void =>
      (target as Partial<EventTarget> | undefined)?.addEventListener?.(event, listener, { signal })
    // Someone has deleted the database, or the browser has closed it.
    db.on('close', () => void setTimeout(() => db.hasBeenClosed() || wake()))
    on(globalThis, 'online', wake)
    on(globalThis, sessionChanged, session)
    on(globalThis, 'storage', e => (e as StorageEvent).key === sessionChanged && session())
    on(globalThis.document, 'visibilitychange', () => globalThis.document.visibilityState === 'visible' && wake())
  }

  async #loop(): Promise<void> {
    const { signal } = this.#ended
    if (this.#options.auto === false) await this.#pause(0)
    for (let failures = 0; !signal.aborted;) {
      this.#asked = this.#captures = false
      let wait: number
      const round = ++this.#rounds
      try {
        await this.#round()
        failures = 0
        this.#refusedUntil = 0
        wait = this.#streaming && !await this.#replica.unsent() ? waits.live : waits.polling
        const pending = await this.#replica.pending()
        this.#set({ ...this.#status, state: 'live', pending, syncedAt: pending === 0 ? Date.now() : this.#status.syncedAt, error: null })
      }
      catch (thrown) {
        if (signal.aborted) break
        // The round's data is still missing.
        this.#pullDue = true
        this.#stream?.abort()
        if (thrown instanceof HandedOver) {
          this.#state = undefined
          continue
        }
        wait = await this.#failed(asSyncError(thrown), failures++)
      }
      const status = this.#status
      this.#waiting = this.#waiting.filter(({ after, done }) => round < after || void done(status))
      if (this.#waiting.length > 0) continue
      await this.#pause(wait)
    }
    this.#stream?.abort()
  }

  /** Waits until there is something to do. While the server refuses, captured writes would only be refused again. */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#ended
    const manual = this.#options.auto === false
    const before = Date.now()
    for (;;) {
      const now = Date.now()
      // A clock that is set back must not stop sync.
      const left = now < before ? 0 : ms - (now - before)
      if (signal.aborted || this.#asked || (!manual && (left <= 0 || (this.#captures && now >= this.#refusedUntil)))) break
      await new Promise<void>((resolve) => {
        const timer = manual ? undefined : setTimeout(resolve, this.#captures ? Math.min(left, this.#refusedUntil - now) : left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    // An app that writes all the time must still get changes from others.
    if (!this.#captures || (!this.#streaming && Math.abs(Date.now() - this.#pulledAt) >= waits.polling)) this.#pullDue = true
    this.#wake = undefined
  }

  async #failed(error: SyncError, failures: number): Promise<number> {
    const { code, message } = error
    const states: Partial<Record<typeof code, SyncState>> = {
      'signed-out': 'signed-out', 'forbidden': 'forbidden', 'other-account': 'other-account', 'quota': 'storage', 'database': 'storage',
    }
    const state = states[code] ?? 'offline'
    if (this.#status.error?.code !== code) {
      if (code === 'other-account') this.#listeners.emit('account', { message })
      else if (code === 'quota' || code === 'database') this.#listeners.emit('storage', { code, message })
      else this.#listeners.emit('error', { code, message })
    }
    const pending = code === 'database' ? this.#status.pending : await this.#replica.fold().catch(() => this.#status.pending)
    this.#set({ ...this.#status, state, pending, error: { code, message } })
    // If the server refuses, the session or the role may have changed.
    if (code !== 'offline' && code !== 'unavailable') this.#state = undefined
    const refuses = state === 'signed-out' || state === 'forbidden' || state === 'other-account'
    const wait = refuses ? waits.refused : error.retryAfter ?? Math.min(waits.longest, waits.first * 2 ** Math.min(failures, 20))
    // Spread the devices out after a restart.
    const jittered = wait * (0.75 + Math.random() / 2)
    this.#refusedUntil = Date.now() + jittered
    return jittered
  }

  async #round(): Promise<void> {
    const { signal } = this.#ended
    const state = this.#state ??= await this.#begin()
    if (this.#http.ahead !== undefined && Math.abs(this.#http.ahead - state.ahead) > 5_000) {
      await this.#replica.learnClock(this.#http.ahead)
      state.ahead = (await this.#replica.stores.state.get('sync'))?.ahead ?? 0
    }
    if (this.#replica.needsSnapshot(state)) {
      this.#busy()
      await this.#snapshot(false)
    }
    if (this.#options.auto !== false) this.#listen()
    for (let again = true; again;) {
      if (this.#pullDue) await this.#pull()
      again = await this.#push() || this.#pullDue
      if (signal.aborted) return
    }
    await this.#sayCursor()
    this.files.work()
  }

  async #begin(): Promise<State> {
    const { device } = await this.#replica.open()
    const session = await readSession(this.#http, this.#ended.signal)
    if (!session) throw new SyncError('signed-out', 'No one is signed in')
    const known = await this.#replica.stores.state.get('sync')
    const state = await this.#replica.bind(session.user.id, this.#options.workspace ?? known?.workspace ?? session.workspace.id, device)
    const readOnly = session.role === 'viewer' && session.workspace.id === state.workspace
    this.#set({ ...this.#status, readOnly })
    this.#workspace = state.workspace!
    this.#user = session.user.id
    return state
  }

  /**
   * Refuses an answer for someone else, who has since signed in: it contains their notifications
   * instead of those of the database's user. All else is the same for all members. The answer says whose it is only if
   * it has some.
   */
  async #mine(rows: readonly Change[]): Promise<void> {
    if (!this.#tables.wire.includes('notifications')) return
    const session = await readSession(this.#http, this.#ended.signal)
    if (!session) throw new SyncError('signed-out', 'No one is signed in')
    const foreign = rows.find(({ tableName, payload }) => tableName === 'notifications' && (payload?.user_id ?? this.#user) !== this.#user)
    const user = foreign?.payload?.user_id ?? session.user.id
    if (user !== this.#user) throw new SyncError('other-account', `The answer is for user ${String(user)}, and the database belongs to ${this.#user}`)
  }

  #busy(): void {
    if (this.#status.state !== 'syncing') this.#set({ ...this.#status, state: 'syncing' })
  }

  /** What every sync request contains: the workspace, and that rows of any kind are stored unchanged. */
  get #common(): Pick<Schemas['PullRequest'], 'scope' | 'fileKindCapability' | 'workspaceItemCapability'> {
    return { scope: { workspaceId: this.#workspace }, fileKindCapability: 'v1', workspaceItemCapability: 'v1' }
  }

  /** Fetches all rows: with a snapshot or, if the server has none, with pulls from the beginning. */
  async #snapshot(again: boolean): Promise<void> {
    const state = await this.#replica.beginSnapshot(again)
    const page = this.#snapshotPage(state.snapshot!.token)
    try {
      await this.#install(state, page, token => this.#snapshotPage(token))
    }
    catch (error) {
      if (!(error instanceof SyncError)) throw error
      if (error.status === 404) {
        const first = this.#pulledPage(null)
        await first // if sync is switched off, there are no pulls either
        return this.#install(await this.#replica.beginSnapshot(true, false), first, token => this.#pulledPage(token))
      }
      // The server no longer has the snapshot of this page.
      if (error.status === 410 || error.status === 400) await this.#replica.beginSnapshot(true)
      throw error
    }
  }

  async #snapshotPage(pageToken: string | null): Promise<Page> {
    const request: Schemas['SnapshotRequest'] = { ...this.#common, pageSize, tables: this.#tables.wire, ...(pageToken === null ? {} : { pageToken }) }
    const { json, text } = await this.#http.post('/api/sync/snapshot', request, this.#ended.signal)
    const answer = readSnapshot(json)
    await this.#mine(answer.items)
    return { ...answer, marks: mayHaveMarks(text) }
  }

  /** A page of a pull, as one of a snapshot whose tokens are cursors. A pull from 0 misses no deletion. */
  async #pulledPage(token: string | null): Promise<Page> {
    const { changes, nextCursor, hasMore, marks } = await this.#pullPage(Number(token))
    return { snapshotId: 'pulls', highWatermark: nextCursor, items: changes, nextPageToken: hasMore ? String(nextCursor) : null, marks }
  }

  /** Installs pages; while one is written, the next one is requested. */
  async #install(state: State, page: Promise<Page>, ask: (token: string) => Promise<Page>): Promise<void> {
    for (let more = true; more && !this.#ended.signal.aborted;) {
      const { marks, ...here } = await page
      more = here.nextPageToken !== null
      if (here.nextPageToken !== null) {
        page = ask(here.nextPageToken)
        page.catch(() => undefined) // it is handled after the page before it
      }
      state = await this.#replica.install(here, marks, state.epoch)
      if (!state.snapshot) break
    }
    this.#state = state
    this.#pullDue = true
  }

  async #pull(): Promise<void> {
    const { signal } = this.#ended
    this.#pullDue = false
    this.#pulledAt = Date.now()
    for (let more = true; more && !signal.aborted;) {
      const state = await this.#replica.stores.state.get('sync')
      if (!state) {
        this.#state = undefined
        throw new SyncError('database', 'The database was deleted')
      }
      this.#replica.check(state)
      if (this.#replica.needsSnapshot(state)) return this.#snapshot(false)
      const { cursor, epoch } = state
      const { marks, ...page } = await this.#pullPage(cursor)
      if (page.requiresSnapshot) return this.#snapshot(true)
      if (page.changes.length > 0) this.#busy()
      if (page.changes.length > 0 || page.nextCursor > cursor) await this.#replica.receive(page, marks, epoch)
      more = page.hasMore
    }
  }

  async #pullPage(cursor: number): Promise<PullAnswer & Marked> {
    const request: Schemas['PullRequest'] = { ...this.#common, cursor, limit: pageSize, tables: this.#tables.wire }
    const { json, text } = await this.#http.post('/api/sync/pull', request, this.#ended.signal)
    const answer = readPull(json, cursor)
    if (answer.changes.length > 0 || answer.nextCursor > cursor) await this.#mine(answer.changes)
    return { ...answer, marks: mayHaveMarks(text) }
  }

  /** Sends waiting rows; returns whether there are more. Later writes are for the next round, so that rounds end. */
  async #push(): Promise<boolean> {
    if (Date.now() < this.#pushAfter || await this.#replica.idle()) return false
    const { ops, more } = await this.#replica.outgoing()
    if (ops.length === 0) return more
    this.#busy()
    try {
      await this.#send(ops)
      this.#set({ ...this.#status, readOnly: false })
      return more
    }
    catch (error) {
      if (!(error instanceof SyncError) || error.code !== 'forbidden') throw error
      // Users who may only read still get others' changes. The pull shows whether they may read.
      this.#set({ ...this.#status, readOnly: true })
      this.#pushAfter = Date.now() + waits.refused
      await this.#pull()
      return false
    }
  }

  /** Sends writes. A request that is refused as a whole is halved until the write that causes it is alone. */
  async #send(ops: WireOp[]): Promise<void> {
    try {
      const request: Schemas['PushRequest'] = { ...this.#common, ops }
      const { json } = await this.#http.post('/api/sync/push', request, this.#ended.signal)
      await this.#replica.settle(ops, readPush(json, new Map(ops.map(op => [op.stamp.opId, op]))))
    }
    catch (error) {
      if (!(error instanceof SyncError) || !['bad-request', 'too-large'].includes(error.code)) throw error
      if (ops.length === 1) return this.#replica.refused(ops[0]!, error)
      const half = ops.length >> 1
      await this.#send(ops.slice(0, half))
      await this.#send(ops.slice(half))
    }
  }

  /** Opens the stream of versions, if it is not open. */
  #listen(): void {
    if (this.#stream || Date.now() < this.#streamAfter) return
    const stream = this.#stream = new AbortController()
    const signal = AbortSignal.any([stream.signal, this.#ended.signal])
    const version = (v: number): void => {
      this.#streaming = true
      void this.#replica.stores.state.get('sync').then((state) => {
        if (!state || v > state.cursor) this.wake()
      }, () => this.wake())
    }
    void listen(this.#http, this.#workspace, version, signal).catch(() => undefined).then(() => {
      this.#stream = undefined
      // The next round opens it again; until then changes may be missed. A server without the stream
      // is polled.
      if (!this.#streaming && !signal.aborted) this.#streamAfter = Date.now() + waits.live
      else if (!this.#ended.signal.aborted) setTimeout(() => this.wake(), waits.polling * (0.5 + Math.random()))
      this.#streaming = false
    })
  }

  async #sayCursor(): Promise<void> {
    const state = await this.#replica.stores.state.get('sync')
    if (!state || state.cursor === this.#cursorSaid.cursor || Date.now() - this.#cursorSaid.at < cursorEvery) return
    this.#cursorSaid = { at: Date.now(), cursor: state.cursor }
    const update: Schemas['CursorUpdate'] = { scope: { workspaceId: this.#workspace }, deviceId: state.device, version: state.cursor }
    await this.#http.post('/api/sync/update-cursor', update, this.#ended.signal).catch(() => undefined)
  }
}

/**
 * Connects a database to OR3 Cloud. Call it once, before the database is used: from then on writes are captured,
 * whether or not someone is signed in, and are sent as soon as possible.
 *
 * The database has to have the tables of `syncStores`.
 */
export function connect(db: Dexie, options: SyncOptions): Sync {
  return new Sync(db, options)
}
