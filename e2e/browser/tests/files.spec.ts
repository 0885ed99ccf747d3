// Files that try to be more than files: whatever is uploaded, under whatever type, opening it runs no script.

import { createHash, randomUUID } from 'node:crypto'

import { expect, test as base, type BrowserContext, type Page } from '@playwright/test'

import { Cloud } from '../lib/cloud.ts'

const person = { email: 'files@example.org', password: 'a sentence no one would guess' }

// What a script does if it runs: each of these is noticed by itself.
const payload = `fetch('/ran?'+encodeURIComponent(location.href));globalThis.ran?.();globalThis.name='ran';try{document.title='ran'}catch{}`
const html = `<!doctype html><title>still</title><script>${payload}</script><img src=x onerror="${payload.replaceAll('"', '&quot;')}">`
const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="${payload.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"><script>${payload}</script></svg>`
const pdf = (action: string) => `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(${action})>>>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
trailer<</Root 1 0 R>>
`

interface Attack {
  name: string
  type: string
  content: string | Buffer
  /** The type is one that a browser shows in place, and the content begins as something else. */
  lies?: true
}

const attacks: Attack[] = [
  { name: 'a page', type: 'text/html', content: html },
  { name: 'a page that says it is text', type: 'text/plain', content: html },
  { name: 'a page that says it is a picture', type: 'image/png', content: html, lies: true },
  { name: 'a page in UTF-16 that says it is text', type: 'text/plain', content: Buffer.from('\uFEFF' + html, 'utf16le') },
  { name: 'a page in UTF-7 that says it is text', type: 'text/plain; charset=utf-7', content: '+ADw-script+AD4-' + payload + '+ADw-/script+AD4-' },
  { name: 'a page of unknown type', type: 'application/octet-stream', content: html },
  { name: 'an XHTML page', type: 'application/xhtml+xml', content: `<html xmlns="http://www.w3.org/1999/xhtml"><script>${payload}</script></html>` },
  { name: 'XML that becomes a page', type: 'text/xml', content: `<x:script xmlns:x="http://www.w3.org/1999/xhtml">${payload}</x:script>` },
  { name: 'a web archive', type: 'multipart/related', content: `MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n${html}\r\n--b--\r\n` },
  { name: 'a drawing with a script', type: 'image/svg+xml', content: svg },
  { name: 'a drawing with a script that says it is a PNG', type: 'image/png', content: svg, lies: true },
  { name: 'a script', type: 'text/javascript', content: payload },
  { name: 'a script that says it is a WebP', type: 'image/webp', content: `/* RIFF WEBP */${payload}`, lies: true },
  { name: 'a GIF that is a script too', type: 'image/gif', content: `GIF89a/*\0\0\0\0*/=0;${payload}` },
  { name: 'a GIF that is a page too', type: 'image/gif', content: `GIF89a${html}` },
  { name: 'a GIF that is a script too and says it is one', type: 'text/javascript', content: `GIF89a/*\0\0\0\0*/=0;${payload}` },
  { name: 'a JPEG that is a page too', type: 'image/jpeg', content: Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0x10, 0]), Buffer.from(html)]) },
  { name: 'a PDF that is a page too', type: 'application/pdf', content: pdf('1') + html },
  { name: 'a PDF that is a page too and says it is one', type: 'text/html', content: pdf('1') + html },
  { name: 'a PDF with a script', type: 'application/pdf', content: pdf(`app.launchURL\\('javascript:${payload.replaceAll(/[()]/g, '\\\\$&')}'\\)`) },
]

// Everything that a browser shows in place has one of these types, and begins as its type does; the rest is saved.
const inert = ['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'application/pdf']

// Each file gets a server of its own: some have the same content, and a second upload of that keeps the type of the
// first.
const test = base.extend<{ cloud: Cloud }>({
  cloud: async ({}, use) => {
    const types = [...new Set(attacks.map(attack => attack.type.split(';')[0]))]
    const cloud = await Cloud.start({ OR3_STORAGE_ALLOWED_MIME_TYPES: types.join(',') })
    await cloud.register(person)
    await use(cloud)
    await cloud.stop()
  },
})

/** Witness notices scripts that run, in whatever page, frame or worker of a context. */
class Witness {
  readonly seen: string[] = []

  static async of(context: BrowserContext): Promise<Witness> {
    const witness = new Witness()
    await context.exposeBinding('ran', ({ frame }) => { witness.seen.push(`called from ${frame.url()}`) })
    await context.route(url => url.pathname === '/ran', async (route) => {
      witness.seen.push(`asked for ${route.request().url()}`)
      await route.fulfill({ status: 204 })
    })
    context.on('dialog', (dialog) => {
      witness.seen.push(`dialog ${dialog.message()}`)
      void dialog.dismiss()
    })
    return witness
  }

  /** look resolves when what could have run has had its time. */
  async look(page: Page): Promise<void> {
    await page.waitForTimeout(300)
    for (const other of page.context().pages()) {
      if (await other.title().catch(() => '') === 'ran') this.seen.push(`title of ${other.url()}`)
    }
  }
}

/** signIn signs the browser in, without the page. */
async function signIn(context: BrowserContext, cloud: Cloud): Promise<string> {
  const headers = { Origin: cloud.url }
  const signedIn = await context.request.post(`${cloud.url}/api/basic-auth/sign-in`, { headers, data: person })
  expect(signedIn.ok(), await signedIn.text()).toBe(true)
  const { session } = await (await context.request.get(`${cloud.url}/api/auth/session`)).json() as { session: { workspace: { id: string } } }
  return session.workspace.id
}

/**
 * store uploads a file as the client does and returns a URL under which it is served, or undefined if the upload was
 * refused.
 */
async function store(context: BrowserContext, cloud: Cloud, workspace: string, { type, content, name }: Attack): Promise<string | undefined> {
  const headers = { Origin: cloud.url }
  const post = async (path: string, data: object) => {
    const response = await context.request.post(cloud.url + path, { headers, data })
    expect(response.ok(), `${path}: ${await response.text()}`).toBe(true)
    return await response.json() as Record<string, string>
  }
  const body = Buffer.from(content)
  const hash = 'sha256:' + createHash('sha256').update(body).digest('hex')
  const file = { workspace_id: workspace, hash, mime_type: type, size_bytes: body.length, file_kind_capability: 'v1' }
  const { url, storageId } = await post('/api/storage/presign-upload', file)
  const uploaded = await context.request.put(cloud.url + url, { headers: { ...headers, 'Content-Type': type }, data: body })
  if (uploaded.status() === 415) return undefined
  expect(uploaded.ok(), await uploaded.text()).toBe(true)
  await post('/api/storage/commit', { ...file, storage_id: storageId, storage_provider_id: 'fs', name, kind: 'image' })
  const opId = randomUUID(), hlc = '0mll3o9og:000:1a2b3c4d'
  const payload = {
    hash, name, kind: 'image', mime_type: type, size_bytes: body.length, ref_count: 1, deleted: false, clock: 1, created_at: 1771000000, updated_at: 1771000000,
    hlc, storage_id: storageId, storage_provider_id: 'fs',
  }
  await post('/api/sync/push', {
    scope: { workspaceId: workspace },
    ops: [{
      id: opId, tableName: 'file_meta', operation: 'put', pk: hash, payload, stamp: { deviceId: '1a2b3c4d', opId, hlc, clock: 1 },
      createdAt: 1771000000, attempts: 0, status: 'pending',
    }],
  })
  // The worst wishes: in place, as what it says it is.
  const download = await post('/api/storage/presign-download', { workspace_id: workspace, hash, disposition: 'inline', mime_type: type, file_kind_capability: 'v1' })
  return cloud.url + download.url
}

/**
 * open navigates to a URL and resolves to whether the browser saved it instead of showing it: a download breaks the
 * navigation off.
 */
async function open(page: Page, url: string): Promise<boolean> {
  const saved = page.waitForEvent('download').then(() => true, () => false)
  const shown = page.goto(url, { waitUntil: 'load' }).then(() => false, (error: Error) => {
    expect(error.message).toMatch(/Download is starting|ERR_ABORTED/)
    return saved
  })
  return Promise.race([saved, shown])
}

/** embed uses a URL in every way in which a page of the same origin can, one that has no policy of its own. */
async function embed(page: Page, cloud: Cloud, url: string): Promise<void> {
  await page.route(`${cloud.url}/attack`, route => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>attack</title>' }))
  await page.goto(`${cloud.url}/attack`)
  await page.evaluate(async (url) => {
    for (const [tag, attribute] of [['iframe', 'src'], ['script', 'src'], ['embed', 'src'], ['object', 'data'], ['img', 'src'], ['link', 'href'], ['video', 'src']] as const) {
      const element = document.createElement(tag)
      if (element instanceof HTMLLinkElement) element.rel = 'stylesheet'
      element.setAttribute(attribute, url)
      document.documentElement.append(element)
    }
    const quiet = () => {}
    try { new Worker(url) }
    catch { quiet() }
    await Promise.race([
      Promise.all([import(url).catch(quiet), navigator.serviceWorker?.register(url, { scope: '/api/storage/fs/' }).catch(quiet)]),
      new Promise(resolve => setTimeout(resolve, 1000)),
    ])
  }, url)
}

test('the witness notices what runs', async ({ page, context, cloud }) => {
  const witness = await Witness.of(context)
  await page.route(`${cloud.url}/page`, route => route.fulfill({ contentType: 'text/html', body: html }))
  await page.goto(`${cloud.url}/page`)
  await expect.poll(async () => {
    await witness.look(page)
    return witness.seen.map(text => text.split(' ')[0])
  }).toEqual(expect.arrayContaining(['called', 'asked', 'title']))
  witness.seen.length = 0
  await page.route(`${cloud.url}/script`, route => route.fulfill({ contentType: 'text/javascript', body: `GIF89a/*\0*/=0;${payload}` }))
  await embed(page, cloud, `${cloud.url}/script`)
  await expect.poll(() => witness.seen.length).toBeGreaterThan(0)
})

for (const attack of attacks) {
  test(`${attack.name} runs nothing`, async ({ page, context, cloud }) => {
    const witness = await Witness.of(context)
    const url = await store(context, cloud, await signIn(context, cloud), attack)
    if (url === undefined) return // an upload that is refused runs nothing

    const headers = (await context.request.get(url)).headers()
    const shown = inert.includes(attack.type) && !attack.lies
    expect(headers['content-type']).toBe(shown ? attack.type : 'application/octet-stream')
    expect(headers['content-disposition']).toMatch(shown ? /^(inline|attachment)/ : /^attachment/)
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['content-security-policy']).toContain('sandbox')
    expect(headers['content-security-policy']).toContain("default-src 'none'")

    const saved = await open(page, url)
    if (!shown) expect(saved, 'it is saved, not shown').toBe(true)
    await embed(page, cloud, url)
    await witness.look(page)
    expect(witness.seen).toEqual([])
  })
}
