// What fails under way: the host, the tab that syncs.
import { expect } from 'vitest'
import { historyOf } from '../history.js'
import { expectEqual, person, until, type Tab, type World } from '../world.js'

/** The host is killed while devices write. What it has acknowledged it has, and it has everything once. */
export async function killed(world: World): Promise<void> {
  const who = person('ann')
  const tabs = await world.devicesOf(who, 3)
  for (const [n, tab] of tabs.entries()) await tab.do(({ toil }, name) => toil(name), `device ${n + 1}`)
  const sent = (tab: Tab): Promise<number> => tab.do(({ events }) => events.sent.reduce((sum, { rows }) => sum + rows, 0))
  for (let time = 0; time < 3; time++) {
    for (const tab of tabs) {
      const before = await sent(tab)
      await until(async () => await sent(tab) > before)
    }
    await world.host.kill()
    for (const tab of tabs) {
      const before = await tab.do(({ notes }) => notes.count())
      await until(() => tab.do(async ({ notes }, count) => await notes.count() > count + 20, before))
    }
    await world.host.start()
  }
  const written = await Promise.all(tabs.map(tab => tab.do(({ rest }) => rest())))
  const fresh = await (await world.device()).tab()
  await fresh.signIn(who)
  const rows = await expectEqual(fresh, ...tabs)
  const wanted = written.flatMap((count, n) => Array.from({ length: count }, (_, i) => `device ${n + 1} ${i}`))
  expect(Object.keys(rows).sort()).toEqual(wanted.sort())
  expect((await historyOf(fresh)).map(entry => entry.pk).sort()).toEqual(wanted.map(id => `kv:matrix/notes/${id}`).sort())
  for (const tab of tabs) expect(await tab.do(({ sync, events }) => sync.problems().then(problems => [problems, events.refused, events.conflict]))).toEqual([[], [], []])
}

/** Which of the tabs of a device syncs for all of them. */
async function leader(tabs: Tab[]): Promise<Tab> {
  const leads = (tab: Tab): Promise<boolean> => tab.do(async ({ db }) => {
    // A lock tells its owner only to those who ask for it, so each tab compares its own id.
    const { held = [] } = await navigator.locks.query()
    const mine = await new Promise<string>((resolve) => {
      void navigator.locks.request(crypto.randomUUID(), async (lock) => {
        const { held = [] } = await navigator.locks.query()
        resolve(held.find(({ name }) => name === lock!.name)!.clientId!)
      })
    })
    return held.some(({ name, clientId }) => name === `or3-cloud-client:${db.name}` && clientId === mine)
  })
  let found: Tab | undefined
  await until(async () => {
    const answers = await Promise.all(tabs.map(leads))
    expect(answers.filter(Boolean).length).toBeLessThan(2)
    found = tabs[answers.indexOf(true)]
    return found !== undefined
  })
  return found!
}

/**
 * The tab that syncs is closed: another one goes on, and nothing that any of them has written is lost, or sent twice.
 */
export async function leaderClosed(world: World): Promise<void> {
  const [first, other] = await world.devicesOf(person('ann'), 2) as [Tab, Tab]
  const { device } = first
  const tabs = [first, await device.tab(), await device.tab()]
  for (let round = 1; tabs.length > 1; round++) {
    const leads = await leader(tabs)
    await leads.synced()
    // Offline the first time; then in the middle of sending.
    if (round === 1) device.line.cut()
    for (const [n, tab] of tabs.entries()) await tab.put(...Array.from({ length: 150 }, (_, i) => ({ id: `${round} ${n} ${i}`, title: 'x' })))
    if (round > 1) await until(() => other.do(async ({ notes }, from) => await notes.where('id').startsWith(from).count() > 0, `${round} `))
    await leads.close()
    tabs.splice(tabs.indexOf(leads), 1)
    device.line.mend()
    await leader(tabs)
    const count = round === 1 ? 450 : 750
    await until(() => other.do(async ({ notes }, wanted) => await notes.count() === wanted, count))
  }
  await expectEqual(tabs[0]!, other)
  // All tabs know how far the one is that syncs.
  const late = await device.tab()
  await until(async () => (await late.status()).state === 'live')
  const written = (await historyOf(other)).map(entry => entry.pk)
  expect([written.length, new Set(written).size]).toEqual([750, 750])
}
