// Files: content is identified by its hash and sent separately from rows (contract, storage §11). The queue is local
// to this device, and gives nothing up.
import type { Dexie } from 'dexie'
import { asSyncError, SyncError } from './errors.js'
import type { Emit } from './events.js'
import type { Http } from './http.js'
import type { Stores, Transfer } from './stores.js'
import type { Schemas } from './wire.js'

/** The synced part of a file: a row of the table `file_meta`. */
export interface FileInfo {
  /** `sha256:` and the digest of the content. */
  hash: string
  name: string
  mime_type: string
  kind: 'image' | 'pdf' | 'file'
  size_bytes: number
  /** Absent while the content is only on the device that added it. */
  storage_id?: string
}

/** Waits between attempts, in milliseconds. */
const retry = { first: 1_000, longest: 10 * 60_000, refused: 60 * 60_000 }

/** How long a URL must still be valid, in milliseconds. */
const expiry = 3_600_000

/** The only time limit of a transfer, in milliseconds. */
const patience = 3_600_000

/** The name of the storage provider in rows, which no server relies on. */
const provider = 'fs'

/** How long finished transfers are remembered, in seconds. */
const remembered = 7 * 24 * 3600

const seconds = (): number => Math.floor(Date.now() / 1000)

async function hashOf(blob: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())
  return `sha256:${Array.from(new Uint8Array(digest), b => b.toString(16).padStart(2, '0')).join('')}`
}

/** The files of a workspace. */
export class Files {
  readonly #db: Dexie
  readonly #stores: Stores
  readonly #http: Http
  readonly #emit: Emit
  readonly #signal: AbortSignal
  #working: Promise<void> | undefined
  readonly #downloads = new Map<string, Promise<Blob>>()

  constructor(db: Dexie, stores: Stores, http: Http, emit: Emit, signal: AbortSignal) {
    this.#db = db
    this.#stores = stores
    this.#http = http
    this.#emit = emit
    this.#signal = signal
  }

  /** Stores a file, and sends it as soon as possible. Rows refer to it by its hash. */
  async add(blob: Blob, { name = 'file' } = {}): Promise<FileInfo> {
    const hash = await hashOf(blob)
    const mime = blob.type.split(';')[0]!.trim().toLowerCase() || 'application/octet-stream'
    const kind = mime.startsWith('image/') ? 'image' : mime === 'application/pdf' ? 'pdf' : 'file'
    const { fileMeta, blobs, transfers } = this.#stores
    return this.#db.transaction('rw', fileMeta, blobs, transfers, async () => {
      const known = await fileMeta.get(hash) as FileInfo & { deleted?: boolean } | undefined
      await blobs.put({ hash, blob })
      if (known?.storage_id && !known.deleted) return known
      const now = seconds()
      const info: FileInfo = { ...known, hash, name, mime_type: mime, kind, size_bytes: blob.size }
      await fileMeta.put({ created_at: now, ...info, updated_at: now, deleted: false })
      await transfers.put(this.#transfer(hash, 'upload', blob.size))
      return info
    })
  }

  /**
   * The content of a file, from this device or from the server. Rejects with `unavailable` while neither has
   * it.
   */
  async get(hash: string): Promise<Blob> {
    const kept = await this.#stores.blobs.get(hash)
    if (kept) return kept.blob
    const under = this.#downloads.get(hash) ?? this.#download(hash).finally(() => this.#downloads.delete(hash))
    this.#downloads.set(hash, under)
    return under
  }

  /** Removes a file from all devices. The server keeps its content for some time. */
  async remove(hash: string): Promise<void> {
    const { fileMeta, blobs, transfers } = this.#stores
    await this.#db.transaction('rw', fileMeta, blobs, transfers, async () => {
      await fileMeta.delete(hash)
      await blobs.delete(hash)
      await transfers.bulkDelete([`${hash} upload`, `${hash} download`])
    })
  }

  /** Retries failed transfers at once. */
  async retry(): Promise<void> {
    await this.#stores.transfers.where('state').anyOf('queued', 'failed').filter(t => t.direction === 'upload').modify({ state: 'queued', due: 0 })
    this.work()
  }

  /** Sends waiting files. */
  work(): void {
    this.#working ??= this.#upload().catch(() => undefined).finally(() => this.#working = undefined)
  }

  /** Resolves when no transfer is running. */
  async idle(): Promise<void> {
    await this.#working
    await Promise.allSettled(this.#downloads.values())
  }

  async #workspace(): Promise<string | undefined> {
    return (await this.#stores.state.get('sync'))?.workspace
  }

  #transfer(hash: string, direction: Transfer['direction'], total: number): Transfer {
    const now = seconds()
    return {
      id: `${hash} ${direction}`, hash, direction, workspace_id: '', bytes_total: total, bytes_done: 0,
      state: 'queued', attempts: 0, due: 0, created_at: now, updated_at: now,
    }
  }

  async #note(t: Transfer, change: Partial<Transfer>): Promise<void> {
    Object.assign(t, change, { updated_at: seconds() })
    await this.#stores.transfers.put(t)
    const { hash, direction, state, last_error: message } = t
    this.#emit('file', { hash, direction, state, ...(message && state !== 'done' ? { message } : {}) })
  }

  async #upload(): Promise<void> {
    const { transfers } = this.#stores
    await transfers.where('state').equals('done').filter(t => t.updated_at < seconds() - remembered).delete()
    for (;;) {
      const now = Date.now()
      // A transfer that is "running" was interrupted: only the tab that syncs gets here.
      const next = await transfers.where('state').anyOf('queued', 'running', 'failed').filter(t => t.direction === 'upload' && (t.due <= now || t.due > now + 25 * retry.refused)).first()
      const workspace = await this.#workspace()
      if (!next || !workspace || this.#signal.aborted) return
      try {
        await this.#note(next, { state: 'running', workspace_id: workspace })
        await this.#send(next, workspace)
        await this.#note(next, { state: 'done', bytes_done: next.bytes_total })
      }
      catch (thrown) {
        const error = asSyncError(thrown)
        if (this.#signal.aborted || error.code === 'database') return
        const attempts = next.attempts + 1
        const refused = error.code === 'too-large' || error.code === 'bad-request'
        const wait = refused ? retry.refused * Math.min(24, attempts) : error.retryAfter ?? Math.min(retry.longest, retry.first * 2 ** Math.min(attempts, 20))
        await this.#note(next, { state: refused ? 'failed' : 'queued', attempts, last_error: error.message, due: Date.now() + wait })
        // A problem of the server is not a problem of this file.
        if (!refused) return
      }
    }
  }

  async #send({ hash }: Transfer, workspace: string): Promise<void> {
    const { fileMeta, blobs } = this.#stores
    const info = await fileMeta.get(hash) as FileInfo | undefined
    const blob = (await blobs.get(hash))?.blob
    if (!info || !blob) return // removed in the meantime
    const about = { workspace_id: workspace, hash, mime_type: info.mime_type, size_bytes: blob.size, file_kind_capability: 'v1' } as const
    const signed = await this.#presign('upload', { ...about, expires_in_ms: expiry })
    const method = signed.method?.toUpperCase() ?? (signed.url.startsWith('/api/storage/fs/upload') ? 'PUT' : 'POST')
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(patience)])
    const answer = await this.#http.open(signed.url, { method, body: blob, headers: { 'content-type': info.mime_type, ...signed.headers } }, signal)
    const text = await this.#http.text(answer)
    const id = signed.storageId ?? storageIdOf(text)
    if (!id) throw new SyncError('bad-answer', 'The server did not return where the file is')
    const commit: Schemas['Commit'] = { ...about, storage_id: id, storage_provider_id: provider, name: info.name, kind: info.kind, ...(signed.intentId ? { intent_id: signed.intentId } : {}) }
    await this.#http.post('/api/storage/commit', commit, this.#signal)
    await this.#db.transaction('rw', fileMeta, async () => {
      if (await fileMeta.get(hash)) await fileMeta.update(hash, { storage_id: id, storage_provider_id: provider, updated_at: seconds() })
    })
  }

  async #presign(way: 'upload' | 'download', body: Schemas['PresignUpload'] | Schemas['PresignDownload']): Promise<Schemas['Presigned']> {
    const { json } = await this.#http.post(`/api/storage/presign-${way}`, body, this.#signal)
    return json as Schemas['Presigned']
  }

  async #download(hash: string): Promise<Blob> {
    const { fileMeta, blobs } = this.#stores
    const workspace = await this.#workspace()
    const info = await fileMeta.get(hash) as FileInfo | undefined
    const transfer = this.#transfer(hash, 'download', info?.size_bytes ?? 0)
    try {
      if (!workspace) throw new SyncError('offline', 'The server has not been contacted yet')
      if (!info?.storage_id) {
        // It is still on the device that added it, and may yet be uploaded.
        await this.#note(transfer, { state: 'pending_upload' })
        throw new SyncError('unavailable', 'The file has not been uploaded yet')
      }
      await this.#note(transfer, { state: 'running', workspace_id: workspace })
      const signed = await this.#presign('download', { workspace_id: workspace, hash, storage_id: info.storage_id, mime_type: info.mime_type, expires_in_ms: expiry, file_kind_capability: 'v1' })
      const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(patience)])
      const answer = await this.#http.open(signed.url, { method: signed.method ?? 'GET', headers: signed.headers ?? {} }, signal)
      const body = await answer.blob().catch((cause: unknown) => {
        throw new SyncError('offline', 'The connection broke', { cause })
      })
      const blob = body.slice(0, body.size, info.mime_type)
      if (hash.startsWith('sha256:') && await hashOf(blob) !== hash) throw new SyncError('bad-answer', 'The file was damaged in transit')
      await blobs.put({ hash, blob })
      await this.#note(transfer, { state: 'done', bytes_done: blob.size })
      return blob
    }
    catch (thrown) {
      const error = asSyncError(thrown)
      // A file that is not on the server is not deleted anywhere: another device may still upload it.
      if (transfer.state !== 'pending_upload')
        await this.#note(transfer, { state: error.status === 404 || error.status === 410 ? 'remote_missing' : 'failed', last_error: error.message }).catch(() => undefined)
      throw error
    }
  }
}

function storageIdOf(text: string): string | undefined {
  try {
    const { storageId, storage_id: id } = JSON.parse(text) as Partial<Schemas['Uploaded']> & { storageId?: string }
    return storageId ?? id
  }
  catch {
    return undefined
  }
}
