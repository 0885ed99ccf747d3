// What several tests need: a host with this package at work and the real engine behind it.
import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEvent, isError, type H3Error, type H3Event } from 'h3'
import { createHooks } from 'hookable'
import type { NitroApp } from 'nitropack/types'
import { inject } from 'vitest'
import type { SessionContext } from '~~/server/auth/session'
import { remove } from '../../or3-cloud-engine/test/folders'
import { config, registries } from './nuxt'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the real program. */
    program: string
  }
}

/** A host's configuration with this provider for everything. */
export const selectedHost = {
  auth: { enabled: true, provider: 'basic-auth' },
  sync: { enabled: true, provider: 'sqlite' },
  limits: { enabled: true, storageProvider: 'sqlite' },
  backgroundJobs: { enabled: true, storageProvider: 'sqlite' },
  public: { sync: { enabled: true, provider: 'sqlite' } },
}

export interface Host {
  /** Ends the engine, as a host does when it closes. */
  close: () => Promise<void>
}

interface HostOptions {
  runtime?: object
  env?: Record<string, string>
}

/** A host with an engine that can be asked, however long it takes on a busy machine. */
export async function startHost(options: HostOptions = {}): Promise<Host> {
  const host = await runPlugins(options)
  const { cloud } = await import('../src/runtime/server/cloud')
  await cloud.engine.started()
  return host
}

/** Runs the plugin of the package in this process, as a host does when it starts: without waiting for anything. */
export async function runPlugins({ runtime = selectedHost, env = {} }: HostOptions = {}): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), 'or3-sqlite-'))
  Object.assign(process.env, { OR3_CLOUD_BIN: inject('program'), OR3_DATA_DIR: join(folder, 'data'), ...env })
  for (const key of Object.keys(config)) Reflect.deleteProperty(config, key)
  Object.assign(config, runtime)
  const { default: register } = await import('../src/runtime/server/plugins/register')
  const hooks = createHooks()
  register({ hooks } as unknown as NitroApp)
  return {
    async close() {
      await hooks.callHook('close')
      await remove(folder)
    },
  }
}

/** A request of a browser, with the host's session of it. */
export function eventOf(session: SessionContext = { authenticated: false }): H3Event {
  const request = new IncomingMessage(new Socket())
  const event = createEvent(request, new ServerResponse(request))
  event.context.session = session
  return event
}

export interface Person {
  userId: string
  workspaceId: string
  session: SessionContext
  event: () => H3Event
}

/** A user with a workspace of their own. */
export async function person(providerUserId: string = randomUUID()): Promise<Person> {
  const store = registries.workspaceStores.ours()
  const { userId } = await store.getOrCreateUser({ provider: 'test', providerUserId, email: `${providerUserId}@example.test` })
  const { workspaceId, workspaceName } = await store.getOrCreateDefaultWorkspace(userId)
  const session: SessionContext = {
    authenticated: true,
    provider: 'test',
    providerUserId,
    user: { id: userId },
    workspace: { id: workspaceId, name: workspaceName },
    role: 'owner',
  }
  return { userId, workspaceId, session, event: () => eventOf(session) }
}

/** The host's error that something ends with. */
export async function failure(asked: Promise<unknown>): Promise<H3Error> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isError(error)) throw new Error(`not an error of the host: ${String(error)}`)
  return error
}
