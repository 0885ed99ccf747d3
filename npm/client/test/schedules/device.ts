// A device of a schedule: one database, its tabs, the signed-in user, and the line to the server.
import { Dexie } from 'dexie'
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'
import type { Sync } from '../../src/index.js'
import type { Browser } from '../server.js'
import type { Person } from './lane.js'
import { Line, type Yard } from './line.js'
import type { Realm } from './realm.js'
import { chat, own, stores } from './tables.js'

/** A tab that is open. */
export interface Tab { readonly device: Device, readonly db: Dexie, readonly sync: Sync, busy: boolean }

export class Device {
  readonly indexedDB = new IDBFactory()
  readonly line: Line
  readonly tabs: Tab[] = []
  /** What is under way in its tabs. */
  running = 0
  /** The app is of an older version, which syncs some of the tables. */
  older = false

  constructor(readonly n: number, readonly realm: Realm, readonly browser: Browser, public person: Person, yard: Yard) {
    this.line = new Line(n, browser, yard)
  }

  get name(): string {
    return `device ${this.n}`
  }

  open(workspace: string): Tab {
    const db = new Dexie(this.name, { indexedDB: this.indexedDB, IDBKeyRange })
    db.version(1).stores(stores)
    // What Dexie does by itself, too, and says on the console.
    db.on('versionchange', () => {
      db.close({ disableAutoOpen: false })
      return false
    })
    const owner = {}
    const sync = this.realm.connect(db, {
      app: 'test', url: this.browser.url, fetch: this.line.fetch(owner), workspace, auto: false,
      ...(this.older ? { tables: own.slice(0, 1), chat: chat.slice(0, 1) } : { tables: own, chat }),
    })
    const tab = Object.assign(owner, { device: this, db, sync, busy: false })
    this.tabs.push(tab)
    return tab
  }

  async close(tab: Tab): Promise<void> {
    this.tabs.splice(this.tabs.indexOf(tab), 1)
    await tab.sync.close()
    tab.db.close()
  }

  /** A tab is gone without a word. */
  crash(tab: Tab): void {
    this.tabs.splice(this.tabs.indexOf(tab), 1)
    tab.db.close({ disableAutoOpen: true })
    this.line.cut(tab)
  }

  /** The browser removes what it has of the page. Tabs find out when they use it the next time. */
  async wipe(): Promise<void> {
    await new Dexie(this.name, { indexedDB: this.indexedDB, IDBKeyRange }).delete()
  }

  /** Whose database it is, once it was synced. */
  async bound(): Promise<string | undefined> {
    const state = await this.tabs[0]!.db.table('sync_state').get('sync') as { user?: string } | undefined
    return state?.user
  }
}
