// What the tests share: the real server, people with cookies, devices with databases, and a network that can be cut.
import { Dexie } from 'dexie'
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'
import { inject, onTestFinished } from 'vitest'
import { until } from '../../or3-cloud-engine/test/folders.js'
import { connect, syncStores, type Sync, type SyncEvents, type SyncOptions } from '../src/index.js'
import { withoutLocks } from './lockless.js'
import { Server as Program, type Browser } from './server.js'

export { ann, Browser } from './server.js'
export { until }

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the real program. */
    program: string
  }
}

withoutLocks()

/** The program that people get. */
export class Server extends Program {
  static start(environment: Record<string, string> = {}, ...further: string[]): Promise<Program> {
    return Program.of(inject('program'), environment, ...further)
  }
}

/** A row of the tests. */
export interface Todo { id: string, title: string, done?: boolean, [more: string]: unknown }

export type Database = Dexie & { todos: Dexie.Table<Todo, string>, notes: Dexie.Table<Todo, string>, [table: string]: unknown }

/** A tab of a device: its database and its sync. */
export interface Tab { db: Database, sync: Sync, events: { [K in keyof SyncEvents]?: SyncEvents[K][] } }

let devices = 0

/** A device: what its tabs share. */
export class Device {
  readonly indexedDB = new IDBFactory()
  readonly name = `device-${++devices}`
  readonly tabs = new Set<Tab>()

  constructor(readonly browser: Browser) {}

  /** A database of the device that is not connected. */
  database(stores: Record<string, string> = {}): Database {
    const db = new Dexie(this.name, { indexedDB: this.indexedDB, IDBKeyRange }) as Database
    db.version(1).stores({ todos: 'id', notes: 'id, &slug', threads: 'id', messages: 'id', kv: 'id, &name', ...syncStores, ...stores })
    return db
  }

  open(options: SyncOptions = { tables: ['todos'] }, db = this.database()): Tab {
    const sync = connect(db, { app: 'test', url: this.browser.url, fetch: this.browser.fetch, ...options })
    const events: Record<string, unknown[]> = {}
    for (const name of ['conflict', 'refused', 'unapplied', 'account', 'clock', 'storage', 'file', 'error', 'sent', 'received'] as const)
      sync.on(name, event => (events[name] ??= []).push(event))
    const tab = { db, sync, events } as Tab
    this.tabs.add(tab)
    return tab
  }

  async close(tab: Tab): Promise<void> {
    this.tabs.delete(tab)
    await tab.sync.close()
    tab.db.close()
  }
}

/** A device that ends with the test. */
export function device(browser: Browser): Device {
  const d = new Device(browser)
  onTestFinished(async () => {
    for (const tab of d.tabs) await d.close(tab)
  })
  return d
}

/** The rows of a table by their keys. */
export async function rows(tab: Tab, table = 'todos'): Promise<Record<string, unknown>> {
  return Object.fromEntries((await tab.db.table(table).toArray()).map((r: Todo) => [r.id, r]))
}
