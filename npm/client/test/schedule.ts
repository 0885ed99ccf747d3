// A random life of eight devices that share a workspace, and what has to be true at its end. One seed repeats it: every
// request and every answer waits until the schedule lets it through, loses it, doubles it, or answers for the server. What is drawn elsewhere, ids, decides nothing:
// no two edits are of one millisecond.
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from './random.js'
import { Browser, Device, rows, type Server, type Tab, type Todo } from './rig.js'

const deviceCount = 8
const keys = ['r1', 'r2', 'r3', 'r4', 'r5']

/** Something that waits at the gate: a request that was not sent, or an answer that was not delivered. */
interface Held { path: string, phase: 'request' | 'answer', go: () => void, lose: () => void, double: () => void, refuse: () => void }

/** One edit of a row. Its id is in the row, so that whoever has the row has the edit. */
interface Edit { id: string, key: string, device: number, parent: string | undefined, deletes: boolean }

/** What may stand between a device and its server, and answer for it. */
const refusals = [
  () => new Response('{"message":"Starting"}', { status: 503, headers: { 'retry-after': '1' } }),
  () => new Response('{"message":"Not Found"}', { status: 404 }),
  () => new Response('oops', { status: 500 }),
  () => new Response('{"message":"Unauthorized"}', { status: 401 }),
  () => new Response('{"message":"Forbidden"}', { status: 403 }),
  () => new Response('{"message":"Slow down"}', { status: 429 }),
  () => new Response('{"message":"Bad Request"}', { status: 400 }),
  () => new Response('{"message":"Too large"}', { status: 413 }),
  () => new Response('<html>Welcome to the hotel', { status: 200 }),
]

class Participant {
  offline = false
  readonly held = new Set<Held>()
  /** The rounds that are under way. */
  running = 0
  readonly device: Device

  constructor(readonly browser: Browser, readonly random: Random, readonly acknowledged: Set<string>, open: { gates: boolean }, readonly moved: Moved) {
    this.device = new Device(browser)
    browser.network = async (send, path, body) => {
      if (this.offline) throw new TypeError('offline')
      const request = open.gates ? await this.#gate(path, 'request') : 'go'
      if (request === 'lose') throw new TypeError('not sent')
      if (request === 'refuse') return refusals[this.random.below(refusals.length)]!()
      let response = await send()
      if (request === 'double' && path.startsWith('/api/sync/')) response = await send()
      const text = await response.text()
      if (path === '/api/sync/push' && response.ok) this.#note(body, text)
      if (!open.gates) return new Response(text, { status: response.status, headers: response.headers })
      if (await this.#gate(path, 'answer') === 'lose') throw new TypeError('answer lost')
      let delivered = text
      if (path === '/api/sync/pull' && response.ok && this.random.chance(0.03)) delivered = text.replace('"requiresSnapshot":false', '"requiresSnapshot":true')
      return new Response(delivered, { status: response.status, headers: response.headers })
    }
  }

  /** Which edits have reached the server, whatever becomes of the answer. */
  #note(request: string, answer: string): void {
    const { ops } = JSON.parse(request) as { ops: { stamp: { opId: string }, payload: { value?: Todo } }[] }
    const { results } = JSON.parse(answer) as { results: { opId: string, success: boolean }[] }
    const taken = new Set(results.filter(r => r.success).map(r => r.opId))
    for (const { stamp, payload } of ops) if (payload.value && taken.has(stamp.opId)) this.acknowledged.add(String(payload.value.edit))
  }

  #gate(path: string, phase: Held['phase']): Promise<'go' | 'lose' | 'double' | 'refuse'> {
    return new Promise((resolve) => {
      const leave = (how: 'go' | 'lose' | 'double' | 'refuse') => (): void => {
        this.held.delete(held)
        resolve(how)
      }
      const held: Held = { path, phase, go: leave('go'), lose: leave('lose'), double: leave('double'), refuse: leave('refuse') }
      this.held.add(held)
      this.moved.then()
    })
  }
}

interface Moved { then: () => void }

/** A tab that is open. */
interface Open { tab: Tab, p: Participant, n: number, busy: boolean }

/** How many of the seeds have a server that is killed and ended under way; these schedules need it for themselves. */
export const restarting = 16

/** Runs one schedule against a workspace of its own; the error names the seed. */
export async function runSchedule(seed: number, server: Server, owner: Browser): Promise<void> {
  try {
    await new Schedule(seed, server, owner).run()
  }
  catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

class Schedule {
  readonly #edits = new Map<string, Edit>()
  readonly #reached = new Set<string>()
  readonly #gates = { gates: true }
  #participants: Participant[] = []
  #workspace = ''
  #count = 0
  #tabs: Open[] = []
  /** Whom to tell that a request has come to a gate, or a round to its end. */
  readonly #moved: Moved = { then: () => undefined }
  /** Edits that the app was told of as lost. */
  readonly #told = new Set<string>()

  readonly random: Random

  constructor(readonly seed: number, readonly server: Server, readonly owner: Browser) {
    this.random = new Random(seed)
  }

  async run(): Promise<void> {
    const made = await this.owner.post('/api/workspaces', { name: `seed ${this.seed}` }) as { id: string }
    this.#workspace = made.id
    this.#participants = Array.from({ length: deviceCount }, () => new Participant(this.owner.copy(), this.random, this.#reached, this.#gates, this.#moved))
    try {
      for (const [n] of this.#participants.entries()) this.#open(n)
      for (let n = 0; n < deviceCount / 2; n++) this.#open(n)
      const steps = 40 + this.random.below(80)
      for (let i = 0; i < steps; i++) {
        await this.#step()
        await this.#quiet()
      }
      await this.#settle()
      await this.#check()
    }
    finally {
      this.#gates.gates = false
      for (const p of this.#participants) for (const h of [...p.held]) h.go()
      for (const { tab, p } of this.#tabs) await p.device.close(tab)
    }
  }

  #open(n: number): void {
    const p = this.#participants[n]!
    const tab = p.device.open({ tables: ['todos'], workspace: this.#workspace, auto: false })
    tab.sync.on('conflict', ({ lost, key }) => this.#told.add(lost ? String(lost.edit) : `deletion of ${key}`))
    this.#tabs.push({ tab, p, n, busy: false })
  }

  /** Waits until every round under way waits at a gate. */
  async #quiet(): Promise<void> {
    while (!this.#participants.every(p => p.held.size >= p.running)) await new Promise<void>(resolve => this.#moved.then = resolve)
  }

  async #step(): Promise<void> {
    const { random } = this
    const one = random.pick(this.#tabs)
    const held = this.#participants.flatMap(p => [...p.held])
    const what = random.next()
    if (what < 0.35) return this.#edit(one)
    if (what < 0.55) {
      if (!one.busy) this.#sync(one)
    }
    else if (what < 0.9) {
      if (held.length === 0) return
      const h = random.pick(held)
      const fate = random.next()
      if (fate < 0.72) h.go()
      else if (fate < 0.86) h.lose()
      else if (fate < 0.93 && h.phase === 'request') h.refuse()
      else h.double()
    }
    else if (what < 0.94) one.p.offline = !one.p.offline
    else if (what < 0.98) {
      // A second tab, or the end of one.
      const same = this.#tabs.filter(t => t.p === one.p)
      if (same.length === 1) this.#open(one.n)
      else if (!one.busy) {
        this.#tabs.splice(this.#tabs.indexOf(one), 1)
        await one.p.device.close(one.tab)
      }
    }
    else if (this.seed % restarting === 0 && random.chance(0.5)) {
      await this.server.stop(random.chance(0.5) ? 'SIGKILL' : 'SIGTERM')
      await this.server.start()
    }
  }

  #sync(one: Open): void {
    one.busy = true
    one.p.running++
    void one.tab.sync.now().finally(() => {
      one.busy = false
      one.p.running--
      this.#moved.then()
    })
  }

  /** One edit of the app: a row or several, changed, replaced, deleted, or given up. */
  async #edit({ tab: { db }, n }: Open): Promise<void> {
    const { random } = this
    // Two edits in one millisecond are ordered by the names of their devices.
    const before = Date.now()
    while (Date.now() === before) await pause(1)
    const key = random.pick(keys)
    const edit = async (k: string, deletes: boolean): Promise<Todo> => {
      const id = `e${++this.#count}`
      this.#edits.set(id, { id, key: k, device: n, parent: (await db.todos.get(k))?.edit as string | undefined, deletes })
      return { id: k, title: `of ${n}`, edit: id }
    }
    switch (random.below(8)) {
      case 0: {
        await db.transaction('rw', db.todos, async () => {
          if (await db.todos.get(key)) {
            await edit(key, true)
            await db.todos.delete(key)
          }
        })
        break
      }
      case 1: {
        const some = keys.filter(() => random.chance(0.5))
        await db.transaction('rw', db.todos, async () => {
          const list: Todo[] = []
          for (const k of some) list.push(await edit(k, false))
          await db.todos.bulkPut(list)
        })
        break
      }
      case 2: {
        // What is given up was never there.
        await db.transaction('rw', db.todos, async () => {
          await db.todos.put({ id: key, title: 'never', edit: 'never' })
          throw new Error('given up')
        }).catch((error: unknown) => {
          if (!(error instanceof Error && error.message === 'given up')) throw error
        })
        break
      }
      case 3: {
        await db.transaction('rw', db.todos, async () => {
          const row = await edit(key, false)
          if (await db.todos.update(key, row) === 0) await db.todos.add(row)
        })
        break
      }
      default:
        await db.transaction('rw', db.todos, async () => void await db.todos.put(await edit(key, false)))
    }
  }

  /** Mends the network and syncs until nothing is left to be done. */
  async #settle(): Promise<void> {
    for (const p of this.#participants) p.offline = false
    this.#gates.gates = false
    while (this.#participants.some(p => p.running > 0)) {
      for (const p of this.#participants) for (const h of [...p.held]) h.go()
      await pause(1)
    }
    // Everyone sends in the first round, and gets what the others have sent in the second.
    for (let round = 0; round < 2 || (round < 4 && this.#tabs.some(t => t.tab.sync.status.pending > 0)); round++) {
      for (const { tab, n } of this.#tabs) {
        const status = await tab.sync.now()
        // What a lost answer has put off.
        if (status.pending > 0 || status.state !== 'live') await tab.sync.retry().then(() => tab.sync.now())
        if (round > 0 && tab.sync.status.state !== 'live') throw new Error(`device ${n} is ${JSON.stringify(tab.sync.status)}`)
      }
    }
  }

  async #check(): Promise<void> {
    const fresh = new Device(this.owner.copy())
    const tab = fresh.open({ tables: ['todos'], workspace: this.#workspace, auto: false })
    try {
      await tab.sync.now()
      const server = await rows(tab)
      for (const { tab: t, n } of this.#tabs) {
        const here = await rows(t)
        if (JSON.stringify(sorted(here)) !== JSON.stringify(sorted(server)))
          throw new Error(`device ${n} has\n${JSON.stringify(sorted(here))}, the server\n${JSON.stringify(sorted(server))}`)
        if (await t.sync.pending() !== 0) throw new Error(`device ${n} has unsent edits`)
        const problems = await t.sync.problems()
        if (problems.length > 0) throw new Error(`device ${n}: ${JSON.stringify(problems)}`)
      }
      this.#checkEdits(server)
    }
    finally {
      await fresh.close(tab)
    }
  }

  /**
   * The model: what is left of each row is an edit that no one has made another one on top of, and every other such edit has
   * reached the server, or the app was told that it was lost.
   */
  #checkEdits(server: Record<string, unknown>): void {
    const replaced = new Set([...this.#edits.values()].map(e => e.parent))
    for (const key of keys) {
      const edits = [...this.#edits.values()].filter(e => e.key === key)
      const row = server[key] as Todo | undefined
      if (!row) {
        if (edits.length > 0 && !edits.some(e => e.deletes)) throw new Error(`${key} is gone, and no one has deleted it`)
        continue
      }
      const edit = this.#edits.get(String(row.edit))
      if (!edit || edit.key !== key) throw new Error(`${key} has ${String(row.edit)}, which no one has written`)
      if (replaced.has(edit.id)) throw new Error(`${key} has edit ${edit.id}, on top of which another one was made`)
    }
    for (const { id, key, deletes, device } of this.#edits.values()) {
      if (!deletes && !replaced.has(id) && (server[key] as Todo | undefined)?.edit !== id && !this.#reached.has(id) && !this.#told.has(id))
        throw new Error(`edit ${id} of ${key} on device ${device} is lost`)
    }
  }
}

const sorted = (o: Record<string, unknown>): [string, string][] =>
  Object.entries(o).map(([k, v]): [string, string] => [k, JSON.stringify(Object.entries(v as object).sort())]).sort()
