import type { Page } from 'playwright'
import { expect, onTestFinished, test } from 'vitest'
import { browser, complaints, followReadme, pageOf } from './pages.js'
import { ann, Server, until } from './rig.js'

const titles = async (page: Page): Promise<string[]> => (await page.locator('#list li label').allTextContents()).map(t => t.trim())

async function add(page: Page, title: string): Promise<void> {
  await page.fill('#add input', title)
  await page.click('#add button')
}

test('the example keeps tabs and devices in step, before and after signing in, and through an outage', async () => {
  const server = await Server.start({}, '--web', await pageOf('../../../examples/todos'))
  onTestFinished(() => server.remove())
  const chromium = await browser()
  const phone = await chromium.newContext()
  const first = await phone.newPage()
  const said = complaints(first)
  await first.goto(server.url)
  await first.waitForSelector('#sign-in:not([hidden])')
  await add(first, 'written before signing in')
  expect(await first.textContent('#status')).toContain('Sign in')
  await first.fill('#sign-in input[name=email]', ann.email)
  await first.fill('#sign-in input[name=password]', ann.password)
  await first.click('#sign-in button')
  await until(async () => await first.textContent('#status') === 'All devices have everything.')

  const second = await phone.newPage()
  await second.goto(server.url)
  await until(async () => (await titles(second)).length === 1)
  await add(second, 'of the second tab')
  await until(async () => (await titles(first)).length === 2)

  const laptop = await chromium.newContext()
  await laptop.addCookies(await phone.cookies())
  const other = await laptop.newPage()
  await other.goto(server.url)
  await until(async () => (await titles(other)).length === 2)
  await other.check('text=of the second tab')
  await until(() => first.isChecked('text=of the second tab'))

  await server.stop('SIGKILL')
  await add(first, 'written in the outage')
  await add(other, 'of the other device')
  await until(async () => (await first.textContent('#status'))!.includes('1 not sent'))
  // The tab that has synced is closed; another one takes over.
  await first.close()
  await server.start()
  await until(async () => (await titles(second)).length === 4 && (await titles(other)).length === 4)
  expect(await titles(second)).toEqual(await titles(other))
  await until(async () => await second.textContent('#status') === 'All devices have everything.')
  expect(said).toEqual([])
})

test('the README takes a newcomer to two synced tabs', async () => {
  const server = await Server.start()
  onTestFinished(() => server.remove())
  const url = await followReadme(server.url)
  const context = await (await browser()).newContext()
  const tabs = [await context.newPage(), await context.newPage()] as const
  const said = tabs.flatMap(complaints)
  const answers = { 'E-mail address': ann.email, 'Password': ann.password, 'What needs doing?': 'milk' } as Record<string, string>
  for (const tab of tabs) {
    tab.on('dialog', dialog => void dialog.accept(answers[dialog.message()]))
    await tab.goto(url)
  }
  await tabs[0].click('text=Add')
  await tabs[1].waitForSelector('li:text("milk")')
  await until(async () => (await tabs[1].textContent('p')) === 'signed-out, 1 not sent')
  await tabs[1].click('text=Sign in')
  for (const tab of tabs) await until(async () => (await tab.textContent('p')) === 'live, 0 not sent')
  expect(said).toEqual([])
})
