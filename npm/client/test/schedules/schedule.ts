// A random life of eight devices of three people who share a workspace, and what has to be true at its end. One seed
// repeats it: what is done, in which order, by which clock, and what becomes of each request. Only of a server that is
// killed while it works no seed says how far it has come.
import { setImmediate as turn } from 'node:timers/promises'
import type { Dexie, Table, Transaction } from 'dexie'
import type { SyncProblem } from '../../src/index.js'
import { Random } from '../random.js'
import { Device, type Tab } from './device.js'
import { Broken, Edits, type Edit } from './edits.js'
import { deviceCount, type Lane, type Person } from './lane.js'
import { Ledger, type Row } from './ledger.js'
import { type Fate, type Held, type Yard } from './line.js'
import { Clock } from './realm.js'
import { changeOf, chat, keysOf, own, placeOf, rowOf, tables, textOf, unique, wireRow } from './tables.js'

const [second, hour, day] = [1000, 3_600_000, 86_400_000]

/** What the app does on purpose. */
class GivenUp extends Error {}

/**
 * How often it is looked whether a schedule goes on, in milliseconds, and how often it may be found where it was. No
 * machine is that slow.
 */
const watch = { every: 10_000, still: 60 }

/** Runs one schedule in a workspace of its own; the error names the seed. */
export async function runSchedule(seed: number, lane: Lane): Promise<void> {
  const schedule = new Schedule(seed, lane)
  let timer: NodeJS.Timeout | undefined
  const hung = new Promise<never>((_, reject) => {
    let [still, before] = [0, schedule.moves]
    timer = setInterval(() => {
      still = schedule.moves === before ? still + 1 : 0
      before = schedule.moves
      if (still >= watch.still) reject(new Error(`hangs ${schedule.where}`))
    }, watch.every)
  })
  try {
    await Promise.race([schedule.run(), hung])
  }
  catch (error) {
    const story = error instanceof Broken ? `\n${schedule.edits.story(error.row)}\n${schedule.ledger.story(error.row)}` : ''
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}${story}`, { cause: error })
  }
  finally {
    clearInterval(timer)
  }
}

/** A transaction of the app: the edits that it makes, if it comes to its end. */
class Draft {
  readonly #rows = new Map<string, Row | undefined>()
  readonly #made: Edit[] = []

  constructor(readonly schedule: Schedule, readonly device: Device, readonly db: Dexie) {}

  /** What is there of a row. */
  async read(table: string, key: string): Promise<Row | undefined> {
    const row = wireRow(table, key)
    if (this.#rows.has(row)) return this.#rows.get(row)
    return this.see(table, key, await this.db.table<Row, string>(table).get(key))
  }

  see(table: string, key: string, content: Row | undefined): Row | undefined {
    this.schedule.show(this.device, table, key, content)
    return content
  }

  /** The row that an edit leaves behind, with the edit's mark; undefined if it is deleted. */
  edit(table: string, key: string, before: Row | undefined, after: Row | undefined): Row | undefined {
    const row = wireRow(table, key)
    const id = this.schedule.name()
    const mine = this.#made.findLast(e => e.row === row)
    const parent = mine?.id ?? this.schedule.edits.parent(this.device.n, row, before)
    const content = after && { ...after, edit: id }
    this.#made.push({ id, row, device: this.device.n, parent, content })
    this.#rows.set(row, content)
    return content
  }

  commit(): void {
    for (const edit of this.#made) this.schedule.edits.add(edit)
  }
}

class Schedule {
  readonly random: Random
  readonly clock: Clock
  readonly ledger = new Ledger()
  readonly edits = new Edits()
  readonly yard: Yard
  /** How often it has gone on, and where it is. */
  moves = 0
  where = 'at the start'
  #devices: Device[] = []
  #workspace = ''
  #edits = 0
  /** Members who have no access, or may only read. */
  readonly #barred = new Set<string>()
  #down = false
  /** The contents of files by their hashes, and the devices that have added them. */
  readonly #files = new Map<string, { text: string, on: Set<number> }>()
  #fault: unknown
  #moved: () => void = () => undefined

  constructor(readonly seed: number, readonly lane: Lane) {
    this.random = new Random(seed)
    this.clock = new Clock(Date.UTC(2027, 0, 1) + seed % 1000 * day)
    const { random, clock, ledger } = this
    this.yard = { random, clock, ledger, open: false, moved: () => this.#moved() }
  }

  #at(where: string): void {
    this.moves++
    this.where = where
  }

  get #tabs(): Tab[] {
    return this.#devices.flatMap(d => d.tabs)
  }

  get #held(): Held[] {
    return this.#devices.flatMap(d => [...d.line.held])
  }

  /** The name of the next edit. */
  name(): string {
    return `e${++this.#edits}`
  }

  show(device: Device, table: string, key: string, content: Row | undefined): void {
    if (table === 'kv' && key.startsWith('x')) return this.#showRenamed(content)
    this.edits.show(device.n, wireRow(table, key), content)
    if (!content) return
    const written = this.edits.all.get(String(content.edit))!.content
    if (textOf(table, content) !== textOf(table, written))
      throw new Broken(wireRow(table, key), `is on device ${device.n}\n${textOf(table, content)} instead of\n${textOf(table, written)}`)
  }

  /** The server renames a row of kv whose name is taken away, and says of one that is deleted that it is. */
  #showRenamed(content: Row | undefined): void {
    if (!content || (content.deleted === true && content.value === undefined)) return
    const written = this.edits.all.get(String(content.edit))?.content
    if (textOf('kv', { ...content, name: '' }) !== textOf('kv', written && { ...written, name: '' }))
      throw new Broken(`kv/${String(content.id)}`, `is ${textOf('kv', content)} instead of ${textOf('kv', written)}`)
  }

  async run(): Promise<void> {
    const { lane, random } = this
    await lane.ready()
    const [owner] = lane.people as [Person]
    this.#workspace = (await owner.browser.post('/api/workspaces', { name: `seed ${this.seed}` }) as { id: string }).id
    for (const person of lane.people.slice(1)) await this.#admit(person, 'editor')
    this.#devices = Array.from({ length: deviceCount }, (_, n) => {
      const person = lane.people[[0, 0, 0, 1, 1, 2, random.below(3), random.below(3)][n]!]!
      const realm = lane.realms[n]!
      realm.begin(this.clock, random)
      return new Device(n, realm, person.browser.copy(), person, this.yard)
    })
    try {
      for (const device of this.#devices) {
        device.older = random.chance(0.1)
        if (random.chance(0.3)) device.realm.ahead = this.#wrongBy()
        this.#open(device)
        if (random.chance(0.3)) this.#open(device)
      }
      const steps = 40 + random.below(80)
      for (let i = 0; i < steps; i++) {
        this.#at(`in step ${i}`)
        await this.#step()
        await this.#quiet()
      }
      this.#at('before the last rounds')
      await this.#settle()
      this.#at('while the ends are compared')
      await this.#check()
    }
    finally {
      this.yard.open = true
      for (const held of this.#held) held.end('go')
      if (this.#down) await lane.up()
      for (const tab of this.#tabs) await tab.device.close(tab)
    }
  }

  #open(device: Device): void {
    const { sync } = device.open(this.#workspace)
    sync.on('conflict', ({ table, key, lost }) => this.edits.told.add(lost ? String(lost.edit) : `deletion of ${wireRow(table, key)}`))
  }

  async #admit(person: Person, role: 'editor' | 'viewer'): Promise<void> {
    await this.lane.people[0]!.browser.post('/api/admin/workspace/members/upsert', { workspaceId: this.#workspace, emailOrProviderId: person.email, role })
  }

  /** Waits until all that is under way waits at a gate. */
  async #quiet(): Promise<void> {
    while (!this.#fault && this.#devices.some(d => d.line.held.size < d.running)) await new Promise<void>(resolve => this.#moved = resolve)
    if (this.#fault) throw this.#fault
  }

  /** Begins something in a tab that may wait at gates. */
  #begin(tab: Tab, work: () => Promise<unknown>): void {
    if (tab.busy) return
    const { device } = tab
    tab.busy = true
    device.running++
    const done = (): void => {
      // A tab that has crashed does nothing any more.
      if (!tab.busy) return
      tab.busy = false
      device.running--
      this.#moved()
    }
    work().catch((error: unknown) => this.#fault ??= error).finally(done)
  }

  async #step(): Promise<void> {
    const { random } = this
    const tab = random.pick(this.#tabs)
    const { device } = tab
    const steps: [number, () => unknown][] = [
      [34, () => this.#edit(tab)],
      [20, () => this.#sync(tab)],
      [33, () => this.#release()],
      [3, () => device.line.offline = !device.line.offline],
      [2, () => device.tabs.length > 1 ? this.#shut(tab) : this.#open(device)],
      [2, () => this.#restart(tab)],
      [3, () => this.#file(tab)],
      [1, () => device.realm.ahead = random.chance(0.5) ? 0 : this.#wrongBy()],
      [2, () => this.clock.pass(random.pick([second, hour, day, 100 * day]) * random.next())],
      [1.5, () => this.#access()],
      [1.5, () => this.#session(device)],
      [0.5, () => this.#wipe(device)],
      [0.5, () => this.#clear(tab)],
      [1, () => this.#begin(tab, () => tab.sync.retry().then(() => tab.sync.now()))],
      [0.7, () => this.#server()],
      [1, () => this.#collect()],
    ]
    let left = random.next() * steps.reduce((sum, [weight]) => sum + weight, 0)
    await steps.find(([weight]) => (left -= weight) < 0)![1]()
  }

  #wrongBy(): number {
    return Math.round((this.random.next() - 0.5) * this.random.pick([20 * second, day, 20 * 365 * day]))
  }

  #sync(tab: Tab): void {
    this.#begin(tab, async () => {
      await tab.sync.now()
      await tab.sync.files.idle()
    })
  }

  #release(): void {
    const { random } = this
    if (this.#held.length === 0) return
    const held = random.pick(this.#held)
    const fates: [number, Fate][] = [[72, 'go'], [14, 'lose'], [8, held.phase === 'request' ? 'refuse' : 'go'], [6, 'double']]
    let left = random.next() * 100
    held.end(fates.find(([weight]) => (left -= weight) < 0)?.[1] ?? 'go')
  }

  /** A tab is closed, in the middle of whatever it does. */
  async #shut(tab: Tab): Promise<void> {
    if (this.random.chance(0.5)) return tab.device.close(tab)
    tab.device.crash(tab)
    if (tab.busy) tab.device.running--
    tab.busy = false
  }

  /** The page is loaded again, perhaps as a newer version of the app. */
  async #restart(tab: Tab): Promise<void> {
    const { device } = tab
    await this.#shut(tab)
    if (device.tabs.length === 0 && this.random.chance(0.7)) device.older = false
    this.#open(device)
  }

  /** A member loses access, or may only read, and gets everything back the next time. */
  async #access(): Promise<void> {
    if (this.#down) return
    const person = this.random.pick(this.lane.people.slice(1))
    if (this.#barred.delete(person.id)) return this.#admit(person, 'editor')
    this.#barred.add(person.id)
    if (this.random.chance(0.5)) await this.#admit(person, 'viewer')
    else await this.lane.people[0]!.browser.post('/api/workspaces/members/remove', { workspaceId: this.#workspace, userId: person.id })
  }

  /** The device's user signs out, or someone else signs in; the next time it is theirs again. */
  async #session(device: Device): Promise<void> {
    const { random, lane } = this
    const away = device.browser.person !== device.person.id
    if (away) return device.browser.become(device.person.browser)
    const other = random.pick(lane.people)
    if (random.chance(0.5) || await device.bound() === undefined) device.browser.signOut()
    else if (other !== device.person) device.browser.become(other.browser)
  }

  async #wipe(device: Device): Promise<void> {
    const { browser, person } = device
    // An empty database would belong to the other user who is signed in.
    if (browser.person !== undefined && browser.person !== person.id) browser.become(person.browser)
    await device.wipe()
    this.#forget(device)
  }

  /** The device's user hands it over to someone else, and gives up what was not sent. */
  async #clear(tab: Tab): Promise<void> {
    const { device } = tab
    if (tab.busy || device.older) return
    this.#forget(device)
    device.person = this.random.pick(this.lane.people)
    device.browser.become(device.person.browser)
    this.#begin(tab, async () => {
      await tab.sync.clear({ discardUnsent: true })
      await tab.sync.now()
    })
  }

  #forget({ n }: Device): void {
    this.edits.forget(n, this.ledger.reached)
    for (const { on } of this.#files.values()) on.delete(n)
  }

  /** The server ends, in good order or not, perhaps while it answers, or starts again. */
  async #server(): Promise<void> {
    const { random, lane } = this
    if (this.#down) await lane.up()
    else {
      if (random.chance(0.5)) for (const held of this.#held) if (held.phase === 'request' && random.chance(0.5)) held.end('go')
      for (let turns = random.below(20); turns > 0; turns--) await turn()
      await lane.down(random.chance(0.7) ? 'SIGKILL' : 'SIGTERM')
    }
    this.#down = !this.#down
  }

  /** Much time passes for the server, which then collects and compacts what it has. */
  async #collect(): Promise<void> {
    if (this.#down) return
    const { random, lane } = this
    const owner = lane.people[0]!.browser
    await lane.pass(random.pick([3 * 3600, 40 * 86_400, 400 * 86_400]))
    this.ledger.collected()
    for (const what of ['gc-change-log', 'gc-tombstones']) await owner.post(`/api/sync/${what}`, { scope: { workspaceId: this.#workspace }, retentionSeconds: 1 })
  }

  /** A file is added, removed or looked at. */
  async #file(tab: Tab): Promise<void> {
    const { random } = this
    const { device, sync } = tab
    const text = `content ${random.below(3)}`
    switch (random.below(4)) {
      case 0: case 1: {
        const { hash } = await sync.files.add(new Blob([text], { type: 'text/plain' }), { name: `${text}.txt` })
        const file = this.#files.get(hash) ?? { text, on: new Set() }
        this.#files.set(hash, file)
        file.on.add(device.n)
        break
      }
      case 2: {
        const hashes = await tab.db.table('file_meta').toCollection().primaryKeys() as string[]
        if (hashes.length > 0) await sync.files.remove(random.pick(hashes))
        break
      }
      default: {
        const hashes = await tab.db.table('file_meta').toCollection().primaryKeys() as string[]
        const hash = hashes.length > 0 ? random.pick(hashes) : undefined
        if (hash) this.#begin(tab, () => sync.files.get(hash).then(blob => this.#compare(hash, blob), () => undefined))
      }
    }
  }

  async #compare(hash: string, blob: Blob): Promise<void> {
    const text = await blob.text()
    if (text !== this.#files.get(hash)?.text) throw new Error(`file ${hash} is "${text}"`)
  }

  /** One transaction of the app. */
  async #edit(tab: Tab): Promise<void> {
    const { random, clock } = this
    clock.pass(1 + random.below(50))
    const { device, db } = tab
    const user = device.person.id
    const known = device.older ? [own[0]!, chat[0]] : tables
    const table = random.chance(0.4) ? known[0]! : random.pick(known)
    const rows = db.table<Row, string>(table)
    const keys = keysOf(table, user)
    const key = random.pick(keys)
    const some = keys.filter(() => random.chance(0.5))
    const fresh = (k: string): Row => rowOf(table, k, user, clock.now, random)
    const put = async (d: Draft, k = key, row = fresh(k)): Promise<Row> => d.edit(table, k, await d.read(table, k), row)!
    const change = (d: Draft, before: Row): Row => d.edit(table, String(before.id), before, { ...before, ...changeOf(table, random) })!
    switch (random.below(14)) {
      case 0: return this.#transact(tab, [rows], async (d) => {
        const before = await d.read(table, key)
        if (before) d.edit(table, key, before, undefined)
        // A row that is not shown, since another one is in its way, is not meant.
        if (before || !unique.includes(table)) await rows.delete(key)
      })
      case 1: return this.#transact(tab, [rows], async (d) => {
        const list: Row[] = []
        for (const k of some) list.push(await put(d, k))
        await rows.bulkPut(list)
      })
      // What is given up was never there.
      case 2: return this.#transact(tab, [rows], async (d, tx) => {
        await rows.put(await put(d))
        if (random.chance(0.5)) tx.abort()
        throw new GivenUp()
      })
      case 3: return this.#transact(tab, [rows], async (d) => {
        const before = await d.read(table, key)
        if (!before) return void await rows.add(await put(d))
        const { id: _, ...changes } = change(d, before)
        await rows.update(key, changes)
      })
      case 4: return this.#transact(tab, [rows], async (d) => {
        await rows.where('id').anyOf(some).modify((row, of) => {
          of.value = change(d, d.see(table, String(row.id), row)!)
        })
      })
      case 5: return this.#transact(tab, [rows], async (d) => {
        const before = await d.read(table, key)
        if (before) {
          d.edit(table, key, before, undefined)
          await rows.delete(key)
        }
        await rows.add(await put(d))
      })
      // Several tables, of which one is written twice.
      case 6: return this.#transact(tab, known.map(t => db.table<Row, string>(t)), async (d) => {
        for (const t of [table, random.pick(known), table]) {
          const k = random.pick(keysOf(t, user))
          await db.table<Row, string>(t).put(d.edit(t, k, await d.read(t, k), rowOf(t, k, user, clock.now, random))!)
        }
      })
      case 7: return this.#transact(tab, [rows], async (d) => {
        const changes: { key: string, changes: Row }[] = []
        for (const k of some) {
          const before = await d.read(table, k)
          if (before) changes.push({ key: k, changes: change(d, before) })
        }
        await rows.bulkUpdate(changes as never)
      })
      // Of many rows that are added those stay that were not there, if the app wants it so.
      case 8: return this.#transact(tab, [rows], async (d) => {
        const list: Row[] = []
        for (const k of some) list.push(await d.read(table, k) ? { ...fresh(k), edit: 'never' } : await put(d, k))
        await rows.bulkAdd(list).catch((error: unknown) => {
          if (unique.includes(table)) throw error
        })
      })
      case 9: return this.#transact(tab, [rows], async (d) => {
        const there: string[] = []
        for (const k of some) {
          const before = await d.read(table, k)
          if (!before) continue
          d.edit(table, k, before, undefined)
          there.push(k)
        }
        if (random.chance(0.5)) await rows.bulkDelete(unique.includes(table) ? there : some)
        else await rows.where('id').anyOf(some).delete()
      })
      case 10: {
        // No transaction but the one that each write has.
        const draft = new Draft(this, device, db)
        const row = await put(draft)
        return rows.put(row).then(() => draft.commit(), (error: unknown) => this.#excuse(error, table))
      }
      default: return this.#transact(tab, [rows], async d => void await rows.put(await put(d)))
    }
  }

  async #transact({ db, device }: Tab, list: Table<Row, string>[], work: (d: Draft, tx: Transaction) => Promise<void>): Promise<void> {
    const draft = new Draft(this, device, db)
    try {
      // Dexie has to see that it is an async function.
      await db.transaction('rw', list, async tx => await work(draft, tx))
    }
    catch (error) {
      return this.#excuse(error, ...list.map(t => t.name))
    }
    draft.commit()
  }

  /** Whatever ends a transaction on purpose, or because two rows want one value of a unique index. */
  #excuse(error: unknown, ...list: string[]): void {
    if (error instanceof GivenUp) return
    const { name } = error as Error
    if (list.some(t => unique.includes(t)) && ['ConstraintError', 'BulkError', 'ModifyError'].includes(name)) return
    throw error
  }

  /** Mends everything and syncs until nothing is left to be done. */
  async #settle(): Promise<void> {
    if (this.#down) await this.lane.up()
    this.#down = false
    for (const person of this.lane.people.slice(1)) if (this.#barred.has(person.id)) await this.#admit(person, 'editor')
    for (const { line, browser, person } of this.#devices) {
      line.offline = false
      if (browser.person !== person.id) browser.become(person.browser)
    }
    this.yard.open = true
    for (const held of this.#held) held.end('go')
    while (!this.#fault && this.#devices.some(d => d.running > 0)) await new Promise<void>(resolve => this.#moved = resolve)
    await this.#quiet()
    for (const device of this.#devices) {
      if (!device.older) continue
      for (const tab of [...device.tabs]) await device.close(tab)
      device.older = false
      this.#open(device)
    }
    for (let round = 0, left = ['all']; left.length > 0; round++) {
      if (round > 10) throw new Error(`there is no end to ${left.join(', ')}`)
      left = []
      const { count } = this.ledger
      for (const device of this.#devices) {
        const tab = this.random.pick(device.tabs)
        const { sync } = tab
        this.#at(`in round ${round} of device ${device.n}`)
        // Nothing is waited for that was put off.
        if (round === 0 || await sync.pending() > 0) await sync.retry()
        const status = await sync.now()
        if (this.#files.size > 0) {
          await sync.files.idle()
          await sync.files.retry()
          await sync.files.idle()
        }
        left.push(...(await this.#resolve(tab)).map(p => `a problem of device ${device.n} with ${p.table} ${p.key} (${p.kind}): ${p.message}`))
        const pending = await sync.pending()
        if (status.state !== 'live' || pending > 0) left.push(`device ${device.n}, which has ${pending} unsent edits and is ${JSON.stringify(status)}`)
      }
      // A device that received or sent something has to be heard by those before it.
      if (this.ledger.count !== count) left.push(`${this.ledger.count - count} writes`)
    }
  }

  /** What an app does about rows that are in each other's way: one gets another value, or goes. */
  async #resolve(tab: Tab): Promise<SyncProblem[]> {
    const problems = await tab.sync.problems()
    for (const { kind, table, key, message } of problems) {
      if (!unique.includes(table)) throw new Error(`device ${tab.device.n} has a problem with ${table} ${key}: ${message}`)
      if (kind === 'refused') {
        await this.#transact(tab, [tab.db.table(table)], async (d) => {
          const before = await d.read(table, key)
          if (!before) return
          this.edits.told.add(String(before.edit))
          d.edit(table, key, before, undefined)
          await tab.db.table(table).delete(key)
        })
      }
      else if (table === 'notes') {
        await this.#transact(tab, [tab.db.table(table)], async (d) => {
          await tab.db.table<Row, string>(table).toCollection().modify((row, of) => {
            of.value = d.edit(table, String(row.id), d.see(table, String(row.id), row), { ...row, slug: `${String(row.slug)} of ${String(row.id)}` })!
          })
        })
      }
    }
    return problems
  }

  async #check(): Promise<void> {
    const users = [...new Set(this.#devices.map(d => d.person))]
    const servers = new Map<Person, Map<string, Row>>()
    for (const person of users) servers.set(person, await this.#serverRows(person))
    for (const device of this.#devices) {
      const server = servers.get(device.person)!
      const [tab] = device.tabs as [Tab]
      await this.#compareRows(device, tab, server)
      if (await tab.sync.pending() !== 0) throw new Error(`device ${device.n} has unsent edits`)
    }
    await this.#checkLedger(servers)
    const left = new Map<string, Row>()
    for (const server of servers.values()) {
      for (const [row, payload] of server) {
        const place = placeOf(row)
        if (place && !(place.table === 'kv' && place.key.startsWith('x'))) left.set(row, own.includes(place.table) ? payload.value as Row : payload)
      }
    }
    for (const edit of this.edits.all.values()) if (edit.row.startsWith('kv/x')) this.edits.all.delete(edit.id)
    this.edits.check(left, this.ledger.reached, (row, device) => this.ledger.deleted(row, device))
    await this.#checkFiles(servers)
  }

  /** What the server has for a person, as it says itself. */
  async #serverRows({ browser }: Person): Promise<Map<string, Row>> {
    const page = await browser.post('/api/sync/snapshot', {
      scope: { workspaceId: this.#workspace }, pageSize: 1000, fileKindCapability: 'v1', workspaceItemCapability: 'v1',
    }) as { items: { kind: string, tableName: string, pk: string, payload: Row }[], nextPageToken: string | null }
    if (page.nextPageToken !== null) throw new Error('the snapshot has more than one page')
    return new Map(page.items.filter(i => i.kind === 'row').map(i => [`${i.tableName}/${i.pk}`, i.payload]))
  }

  async #compareRows(device: Device, { db }: Tab, server: Map<string, Row>): Promise<void> {
    const here = new Map<string, string>()
    for (const table of [...tables, 'file_meta'])
      await db.table<Row, string>(table).each((row, { primaryKey }) => void here.set(wireRow(table, primaryKey), textOf(table, row)!))
    const there = new Map<string, string>()
    for (const [row, payload] of server) {
      const place = placeOf(row) ?? { table: 'file_meta' }
      there.set(row, textOf(place.table, own.includes(place.table) ? payload.value as Row : payload)!)
    }
    for (const row of new Set([...here.keys(), ...there.keys()])) {
      if (here.get(row) !== there.get(row)) throw new Broken(row, `is on device ${device.n}\n${here.get(row)}, on the server\n${there.get(row)}`)
    }
    const order = await db.table<Row, string>('messages').orderBy('[thread_id+index+order_key]').primaryKeys()
    const right = [...server].filter(([row]) => row.startsWith('messages/')).map(([, m]) => m as { id: string, index: number, order_key: string })
      .sort((a, b) => a.index - b.index || (a.order_key < b.order_key ? -1 : a.order_key > b.order_key ? 1 : a.id < b.id ? -1 : 1)).map(m => m.id)
    if (String(order) !== String(right)) throw new Error(`device ${device.n} has the messages ${String(order)} instead of ${String(right)}`)
  }

  /** The server has to have what the contract makes of all that it was sent. */
  async #checkLedger(servers: Map<Person, Map<string, Row>>): Promise<void> {
    for (const [person, rows] of servers) {
      for (const row of new Set([...rows.keys(), ...this.ledger.rows])) {
        // Names of kv are the server's to decide on.
        if (row.startsWith('kv/x')) continue
        if (row.startsWith('notifications/') && !row.startsWith(`notifications/${person.id}-`)) {
          if (rows.has(row)) throw new Error(`${person.email} gets ${row} of someone else`)
          continue
        }
        const { table } = placeOf(row) ?? { table: 'file_meta' }
        const text = textOf(table, rows.get(row))
        const outcomes = this.ledger.outcomes(row).map(payload => textOf(table, payload))
        if (!outcomes.includes(text)) throw new Broken(row, `is on the server\n${text} instead of\n${outcomes.join('\nor ')}`)
      }
    }
  }

  /** Every device gets every file that is there, unless all devices that had it have lost it. */
  async #checkFiles(servers: Map<Person, Map<string, Row>>): Promise<void> {
    for (const [row] of [...servers.values()][0]!) {
      if (!row.startsWith('file_meta/')) continue
      const hash = row.slice('file_meta/'.length)
      if (this.#files.get(hash)!.on.size === 0) continue
      for (const device of this.#devices) await this.#compare(hash, await device.tabs[0]!.sync.files.get(hash))
    }
  }
}
