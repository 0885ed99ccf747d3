// Files, and what becomes of them.
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { workspaceOf } from '../history.js'
import { person, until, type Tab, type World } from '../world.js'

const sizes = [0, 1, 70_000, 6_000_000]

/** The bytes of a file of a size, the same here and in the page. */
const content = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, n) => (n * n + size) & 255)

const hashOf = (size: number): string => `sha256:${createHash('sha256').update(content(size)).digest('hex')}`

function add(tab: Tab, size: number): Promise<{ hash: string, size_bytes: number }> {
  return tab.do(({ sync }, length) => {
    const bytes = Uint8Array.from({ length }, (_, n) => (n * n + length) & 255)
    return sync.files.add(new Blob([bytes], { type: 'application/pdf' }), { name: `${length}.pdf` })
  }, size)
}

/** The content of a file as a tab gets it: its length, and its digest by the browser. */
function got(tab: Tab, hash: string): Promise<{ size: number, digest: string, type: string }> {
  return tab.do(async ({ sync }, name) => {
    const blob = await sync.files.get(name)
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))
    return { size: blob.size, digest: Array.from(digest, b => b.toString(16).padStart(2, '0')).join(''), type: blob.type }
  }, hash)
}

/** Whether the host knows where the content of a file is, as far as a tab has heard. */
const known = (tab: Tab, hash: string): Promise<boolean> => tab.do(async ({ db }, name) => {
  const row = await db.table('file_meta').get(name) as { storage_id?: string } | undefined
  return row?.storage_id !== undefined
}, hash)

/** A file that is added on one device is on the other byte for byte, also if the line breaks while it is on its way. */
export async function uploadAndDownload(world: World): Promise<void> {
  const [a, b] = await world.devicesOf(person('ann'), 2) as [Tab, Tab]
  for (const size of sizes) {
    const { hash, size_bytes } = await add(a, size)
    expect([hash, size_bytes]).toEqual([hashOf(size), size])
    await until(() => known(b, hash))
    expect(await got(b, hash)).toEqual({ size, digest: hash.slice('sha256:'.length), type: 'application/pdf' })
  }
  // Offline it waits, and those who ask for it learn that.
  a.device.line.cut()
  const { hash } = await add(a, 5_000_001)
  await a.is({ state: 'offline' })
  expect(await b.do(({ sync }, name) => sync.files.get(name).catch(error => (error as { code: string }).code), hash)).toBe('unavailable')
  a.device.line.mend()
  await until(() => a.do(({ events }, name) => events.file.some(f => f.hash === name && f.state === 'running'), hash))
  a.device.line.cut()
  await until(() => a.do(({ events }, name) => ['queued', 'done'].includes(events.file.filter(f => f.hash === name).at(-1)!.state), hash))
  a.device.line.mend()
  await until(async () => {
    await a.do(({ sync }) => sync.files.retry())
    return known(b, hash)
  })
  expect(await got(b, hash)).toMatchObject({ size: 5_000_001, digest: hashOf(5_000_001).slice('sha256:'.length) })
}

/**
 * What is deleted goes from a device that was away at the time, and the content from the host once it has collected.
 */
export async function deleteAndCollect(world: World): Promise<void> {
  const [a, b] = await world.devicesOf(person('ann'), 2) as [Tab, Tab]
  const { hash } = await add(a, 70_000)
  const kept = (await add(a, 1)).hash
  await a.put(...Array.from({ length: 30 }, (_, n) => ({ id: `${n}`, title: 'x' })))
  await until(() => known(b, hash))
  await Promise.all([a.synced(), b.synced()])
  await got(b, hash)
  const workspace = await workspaceOf(a)
  const download = (name: string): Promise<number> => a.do(async ({ ask }, id, file) =>
    (await ask('POST', '/api/storage/presign-download', { workspace_id: id, hash: file }, { 'x-or3-cloud-intent': 'mutation' })).status, workspace, name)
  b.device.line.cut()
  await a.delete(...Array.from({ length: 20 }, (_, n) => `${n}`))
  await a.do(({ sync }, name) => sync.files.remove(name), hash)
  await a.synced()
  expect(await download(kept)).toBe(200)
  // The collector of the host, and those of the log that clients ask for.
  for (const path of ['gc-tombstones', 'gc-change-log']) {
    expect(await a.do(async ({ ask }, at, id) =>
      (await ask('POST', `/api/sync/${at}`, { scope: { workspaceId: id }, retentionSeconds: 1 }, { 'x-or3-cloud-intent': 'mutation' })).status, path, workspace)).toBe(204)
  }
  const collect = async (...flags: string[]): Promise<unknown> => JSON.parse(await world.host.operate('gc', '--json', '--workspace', workspace, ...flags))
  expect(await collect('--dry-run')).toMatchObject({ going: [{ hash, state: 'orphaned' }] })
  expect(await collect()).toMatchObject({ intoTrash: 1, stored: { live: { items: 1 }, trash: { items: 1 } } })
  b.device.line.mend()
  await b.synced()
  expect(Object.keys(await b.rows()).sort()).toEqual(Array.from({ length: 10 }, (_, n) => `${n + 20}`))
  expect(Object.keys(await b.do(({ db }) => db.table('file_meta').toCollection().primaryKeys()))).toHaveLength(1)
  // Neither device has the content any more.
  for (const tab of [a, b]) await until(() => tab.do(async ({ db }, name) => await db.table('file_blobs').get(name) === undefined, hash))
  expect(await b.do(({ sync }, name) => sync.files.get(name).then(() => 'there', error => (error as { code: string }).code), hash)).toBe('unavailable')
  expect(await got(b, kept)).toMatchObject({ size: 1 })
}
