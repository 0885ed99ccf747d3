// What a scenario has: a host, people, and devices in a browser, each on a line of its own.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import type { SyncStatus } from '../src/index.js'
import type { Browser, Page, Profile } from './browsers/browser.js'
import type { DevicePage, Row } from './device/main.js'
import type { Host } from './host.js'
import { Line } from './line.js'

/** Waits until a condition holds; the limit of the test ends what never does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!await holds()) await pause(25)
}

export interface Person { email: string, password: string }

/** Someone whom the host does not know yet. */
export function person(name: string): Person {
  return { email: `${name}-${randomUUID()}@example.test`, password: 'Correct-Horse-9-Battery' }
}

/** A browser with its own cookies and databases, and its own line to the host. */
export class Device {
  readonly tabs: Tab[] = []

  constructor(readonly host: Host, readonly line: Line, readonly profile: Profile) {}

  /** Opens a tab with a database, and waits until the library runs. */
  async tab(database: { database?: string, workspace?: string } = {}): Promise<Tab> {
    const tab = new Tab(this, await this.profile.open(`${this.line.url}${this.host.page}?${new URLSearchParams(database)}`))
    this.tabs.push(tab)
    return tab
  }
}

/** A tab: everything in it is done by a function that runs in the page. */
export class Tab {
  constructor(readonly device: Device, readonly page: Page) {}

  /** Runs a function in the page, which knows nothing but its arguments. They and its result are JSON. */
  do<A extends unknown[], R>(work: (device: DevicePage, ...given: A) => R | Promise<R>, ...given: A): Promise<R> {
    return this.page.evaluate(`(${String(work)})(window.device, ...${JSON.stringify(given)})`) as Promise<R>
  }

  async close(): Promise<void> {
    this.device.tabs.splice(this.device.tabs.indexOf(this), 1)
    await this.page.close()
  }

  status(): Promise<SyncStatus> {
    return this.do(({ sync }) => sync.status)
  }

  /** Asks for a sync until the status is so. */
  async is(wanted: Partial<SyncStatus>): Promise<void> {
    await until(async () => {
      const status = await this.do(({ sync }) => sync.now())
      return Object.entries(wanted).every(([name, value]) => status[name as keyof SyncStatus] === value)
    })
  }

  /** Waits until all that is here is on the host, and the other way round. */
  async synced(): Promise<void> {
    await until(() => this.do(async ({ sync }) => {
      const { state } = await sync.now()
      return state === 'live' && await sync.pending() === 0
    }))
  }

  put(...rows: Row[]): Promise<unknown> {
    return this.do(({ notes }, given) => notes.bulkPut(given), rows)
  }

  delete(...ids: string[]): Promise<unknown> {
    return this.do(({ notes }, given) => notes.bulkDelete(given), ids)
  }

  /** The rows of a table by their ids. */
  async rows(table = 'notes'): Promise<Record<string, Row>> {
    const rows = await this.do(({ db }, name) => db.table<Row>(name).toArray(), table)
    return Object.fromEntries(rows.map(row => [row.id, row]))
  }

  /** Waits until a row of the notes is so; undefined stands for none. */
  async has(id: string, title: string | undefined): Promise<void> {
    await until(() => this.do(async ({ notes }, key, wanted) => (await notes.get(key))?.title === (wanted ?? undefined), id, title ?? null))
  }

  /** Signs in on this device. */
  signIn({ email, password }: Person): Promise<void> {
    return this.do(({ account }, ...who) => account.signIn(...who), email, password)
  }
}

/** What one scenario has on a host and in a browser. */
export class World {
  readonly devices: Device[] = []

  constructor(readonly host: Host, readonly browser: Browser) {}

  /** A device on which no one is signed in. */
  async device(): Promise<Device> {
    const device = new Device(this.host, await Line.to(this.host.url), await this.browser.profile())
    this.devices.push(device)
    return device
  }

  /** A new person's devices, each with a tab that has synced. */
  async devicesOf(who: Person, count: number): Promise<Tab[]> {
    const tabs: Tab[] = []
    for (let n = 0; n < count; n++) {
      const tab = await (await this.device()).tab()
      if (n === 0) await tab.do(({ account }, ...given) => account.register(...given), who.email, who.password)
      else await tab.signIn(who)
      tabs.push(tab)
    }
    await Promise.all(tabs.map(tab => tab.synced()))
    return tabs
  }

  get complaints(): string[] {
    return this.devices.flatMap(d => d.tabs).flatMap(tab => tab.page.complaints)
  }

  /** What is known of a scenario that has failed. */
  async describe(): Promise<string> {
    const tabs = this.devices.flatMap((device, n) => device.tabs.map(async (tab) => {
      const status = await Promise.race([tab.status().catch(String), pause(5_000, 'no answer')])
      return `device ${n + 1}: ${JSON.stringify(status)} ${tab.page.complaints.join('; ')}`
    }))
    return [...await Promise.all(tabs), ...this.host.log.split('\n').slice(-20)].join('\n')
  }

  async close(): Promise<void> {
    for (const { profile, line } of this.devices) {
      await profile.close()
      await line.close()
    }
  }
}

/** All tabs have the same rows, once each of them has synced. */
export async function expectEqual(first: Tab, ...others: Tab[]): Promise<Record<string, Row>> {
  await Promise.all([first, ...others].map(tab => tab.synced()))
  // What one of them has sent last may be news to those that were through before.
  await Promise.all([first, ...others].map(tab => tab.synced()))
  const rows = await first.rows()
  for (const tab of others) expect(await tab.rows()).toEqual(rows)
  return rows
}
