// Uploads and downloads a file as OR3 Chat does: ask for a URL, send or get the bytes, say that they are there.
import type { Device } from '~/core/sync/device'

interface Presigned {
  url: string
  method?: string
  headers?: Record<string, string>
  storageId?: string
  intentId?: string
}

const intent = { 'x-or3-cloud-intent': 'mutation' }
const post = <T>(url: string, body: object) => $fetch<T>(url, { method: 'POST', headers: intent, body })

async function hashOf(bytes: BufferSource): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return `sha256:${[...digest].map(byte => byte.toString(16).padStart(2, '0')).join('')}`
}

/** Uploads a file, and returns the hash under which it is found. */
export async function upload(device: Device, file: File): Promise<string> {
  const workspace_id = device.workspaceId
  const hash = await hashOf(await file.arrayBuffer())
  const about = { workspace_id, hash, mime_type: file.type, size_bytes: file.size }
  const { url, method = 'PUT', headers, storageId, intentId } = await post<Presigned>('/api/storage/presign-upload', about)
  const sent = await fetch(url, { method, headers: { 'Content-Type': file.type, ...headers }, body: file })
  if (!sent.ok) throw new Error(`The upload was answered ${sent.status}.`)
  const kind = file.type === 'application/pdf' ? 'pdf' : 'image'
  await post('/api/storage/commit', {
    ...about, storage_id: storageId, storage_provider_id: 'fs', name: file.name, kind, ...(intentId && { intent_id: intentId }),
  })
  const seconds = Math.floor(Date.now() / 1000)
  device.put('file_meta', hash, {
    hash, kind, name: file.name, mime_type: file.type, size_bytes: file.size,
    storage_id: storageId, storage_provider_id: 'fs',
    deleted: false, created_at: seconds, updated_at: seconds, clock: 1,
  })
  return hash
}

/** Downloads a file and checks that it is the one that was asked for. */
export async function download({ workspaceId }: Device, hash: string): Promise<Blob> {
  const { url, method = 'GET', headers = {} } = await post<Presigned>('/api/storage/presign-download', { workspace_id: workspaceId, hash })
  const answer = await fetch(url, { method, headers })
  if (!answer.ok) throw new Error(`The download was answered ${answer.status}.`)
  const blob = await answer.blob()
  if (await hashOf(await blob.arrayBuffer()) !== hash) throw new Error('The file differs from what was uploaded.')
  return blob
}
