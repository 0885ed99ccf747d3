// The machine's Chromium, and what a person does in it.
import { chromium, type Browser, type Page } from 'playwright'
import { expect, onTestFinished } from 'vitest'
import { email, password } from '../scripts/settings.mjs'

const patience = 300_000

export async function openBrowser(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  onTestFinished(() => browser.close())
  return browser
}

export interface Device {
  page: Page
  /** What the page has written to the console, and the errors that it did not catch. */
  said: string[]
  /** Methods and paths of what it has asked for besides itself. */
  asked: string[]
}

/** A device of its own: cookies and storage are shared with no other. */
export async function openDevice(browser: Browser, url: string): Promise<Device> {
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(patience)
  const device: Device = { page, said: [], asked: [] }
  page.on('console', message => device.said.push(message.text()))
  page.on('pageerror', error => device.said.push(String(error)))
  page.on('request', request => device.asked.push(`${request.method()} ${new URL(request.url()).pathname}`))
  await page.goto(url)
  await page.getByRole('heading', { name: 'A host' }).waitFor()
  return device
}

export async function signInAs({ page }: Device): Promise<void> {
  await page.getByText('No one is signed in.').waitFor()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 2 }).waitFor()
}

/** Signs in with the stand-in for Clerk. */
export async function becomeBob({ page }: Device): Promise<void> {
  await page.context().addCookies([{ name: 'clerk', value: 'bob', url: page.url() }])
  await page.reload()
  await page.getByRole('heading', { level: 2 }).waitFor()
}

/** The smallest PNG: one pixel. */
const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

/** Makes a document that has an image. */
export function attach({ page }: Device, name: string): Promise<void> {
  return page.getByLabel('File', { exact: true }).setInputFiles({ name, mimeType: 'image/png', buffer: pixel })
}

/** Shows the image of a document, as soon as it can be had. */
export async function show({ page }: Device, name: string): Promise<void> {
  await page.getByRole('button', { name: `Show ${name}` }).click()
  const image = page.getByRole('img', { name })
  await image.waitFor()
  await expect.poll(() => image.evaluate(element => (element as HTMLImageElement).naturalWidth)).toBe(1)
}

export const documentsOf = ({ page }: Device) => page.getByRole('list', { name: 'Documents' }).getByRole('listitem')

/** Writes a document, which is there at once, whatever the server does. */
export async function write(device: Device, title: string): Promise<void> {
  await device.page.getByLabel('Title', { exact: true }).fill(title)
  await device.page.getByRole('button', { name: 'Write' }).click()
  await documentsOf(device).getByText(title).waitFor()
}
