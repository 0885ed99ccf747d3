/** A host with this package at work, in this process, and the real engine behind it. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, createRouter, eventHandler, readBody, toNodeListener } from 'h3'
import { createHooks } from 'hookable'
import type { NitroApp } from 'nitropack/types'
import type { HostSession, ProviderAdmin } from 'or3-cloud-engine/nitro'
import { inject, onTestFinished } from 'vitest'
import type { Presigned, StorageGatewayAdapter } from '~~/server/storage/gateway/types'
import download from '../src/runtime/server/api/download.get'
import upload from '../src/runtime/server/api/upload.put'
import { cloud } from '../src/runtime/server/cloud'
import register from '../src/runtime/server/plugins/register'
import { remove } from '../../or3-cloud-engine/test/folders'
import { config, registered, sessions } from './nuxt'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the real program. */
    program: string
  }
}

export const selected = {
  auth: { enabled: true, provider: 'basic-auth' },
  sync: { enabled: true, provider: 'sqlite' },
  storage: { enabled: true, provider: 'fs' },
  app: { baseURL: '/' },
}

export const hashOf = (content: Uint8Array): string => `sha256:${createHash('sha256').update(content).digest('hex')}`

type Ask = Exclude<keyof StorageGatewayAdapter, never>

export class TestHost {
  constructor(readonly url: string, readonly close: () => Promise<void>, readonly engineEnv: Record<string, string>) {}

  /** ask calls the adapter for a browser, as the host's endpoints do. */
  async ask(browser: string, method: Ask, body: object): Promise<{ status: number, retryAfter: string | null, body: unknown }> {
    const answer = await fetch(`${this.url}/ask/${method}`, {
      method: 'POST', headers: { 'content-type': 'application/json', 'x-browser': browser }, body: JSON.stringify(body),
    })
    const text = await answer.text()
    return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: text ? JSON.parse(text) : undefined }
  }

  async presign(browser: string, method: 'presignUpload' | 'presignDownload', body: object): Promise<Presigned> {
    const answer = await this.ask(browser, method, body)
    if (answer.status !== 200) throw new Error(JSON.stringify(answer))
    return answer.body as Presigned
  }

  put(browser: string, url: string, content: Uint8Array | string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + url, {
      method: 'PUT',
      headers: { 'origin': this.url, 'content-type': 'application/pdf', 'x-browser': browser, ...headers },
      body: content,
      duplex: 'half',
    } as RequestInit)
  }

  get(browser: string, url: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + url, { headers: { 'x-browser': browser, ...headers } })
  }

  /** person makes a user with a workspace, whose browser goes by that name. */
  async person(name: string, role: 'owner' | 'editor' | 'viewer' = 'owner'): Promise<{ userId: string, workspaceId: string }> {
    const { userId } = await cloud.call(undefined, 'workspaces/get-or-create-user', { provider: 'basic-auth', providerUserId: name })
    const { workspaceId } = await cloud.call(undefined, 'workspaces/get-or-create-default-workspace', { userId })
    sessions.set(name, { authenticated: true, provider: 'basic-auth', providerUserId: name, user: { id: userId }, workspace: { id: workspaceId }, role })
    return { userId, workspaceId }
  }
}

/** startHost runs the plugin as Nitro does, without waiting for it, and serves what the module registers. */
export async function startHost({ runtime = selected }: { runtime?: object } = {}): Promise<TestHost> {
  const folder = mkdtempSync(join(tmpdir(), 'or3-fs-'))
  const before = { ...process.env }
  const engineEnv = { OR3_CLOUD_BIN: inject('program'), OR3_DATA_DIR: join(folder, 'data') }
  Object.assign(process.env, engineEnv)
  for (const key of Object.keys(config)) Reflect.deleteProperty(config, key)
  Object.assign(config, runtime)
  for (const registry of [...Object.values(registered), sessions]) registry.clear()

  const hooks = createHooks()
  register({ hooks } as unknown as NitroApp)
  const router = createRouter()
  router.use('/api/storage/fs/upload', upload, 'put')
  router.use('/api/storage/fs/download', download, ['get', 'head'])
  router.post('/ask/:method', eventHandler(async (event) => {
    const gateway = registered.gateways.get('fs')?.()
    const ask = gateway?.[event.context.params?.method as Ask] as ((event: unknown, body: unknown) => Promise<unknown>) | undefined
    return await ask?.(event, await readBody(event)) ?? {}
  }))
  const server = createServer(toNodeListener(createApp().use(router)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await hooks.callHook('close')
    process.env = before
    await remove(folder)
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return new TestHost(url, () => hooks.callHook('close') as Promise<void>, engineEnv)
}

/** adminOf is what administrators have of this package. */
export function adminOf(): ProviderAdmin {
  const admin = registered.admins.get('storage:fs')
  if (!admin) throw new Error('nothing is registered')
  return admin
}

/** sessionOf is the session that the host has of a browser. */
export function sessionOf(browser: string): HostSession {
  return sessions.get(browser) ?? { authenticated: false }
}
