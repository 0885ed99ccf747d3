// Answers that are held, where h3 sends them and where a host reads them.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp, eventHandler, toNodeListener } from 'h3'
import { expect, onTestFinished, test } from 'vitest'
import { heldAnswer } from '../src/held.js'

interface Page { changes: { text: string }[], hasMore: boolean, note?: string }
const members = { changes: true, hasMore: true, note: true } as const
const page: Page = { changes: [{ text: 'é, "quoted", cut \ud83d here' }], hasMore: false }
/** Not what JSON.stringify makes of it. */
const json = JSON.stringify(page, undefined, 1)

/** What a browser gets when a handler of h3 answers with a value. */
async function sent(value: unknown): Promise<{ type: string | null, text: string }> {
  const server = createServer(toNodeListener(createApp().use(eventHandler(() => value))))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return { type: answer.headers.get('content-type'), text: await answer.text() }
}

test('an answer that no one reads is sent as it came, and is not parsed', async () => {
  expect(await sent(heldAnswer<Page>(Buffer.from(json), members))).toEqual({ type: 'application/json', text: json })
  const pool = Buffer.from(`--${json}--`).subarray(2, -2) // a part of what lies in memory together
  expect(await sent(heldAnswer<Page>(pool, members))).toMatchObject({ text: json })
  expect(await sent(heldAnswer<Page>(Buffer.from('no JSON'), members))).toMatchObject({ text: 'no JSON' })
})

test('reading, copying and writing an answer all give what it says', async () => {
  const held = heldAnswer<Page>(Buffer.from(json), members)
  expect(held.changes).toEqual(page.changes)
  expect(held.changes).toBe(held.changes)
  expect(held).toEqual(page)
  expect({ ...held }).toEqual(page)
  expect(JSON.parse(JSON.stringify(held))).toEqual(page)
  expect(JSON.parse((await sent({ inside: held })).text)).toEqual({ inside: page })
})
