// The machine's Chromium, and what a person does in it.
import { chromium, type Browser, type Page } from 'playwright'
import { onTestFinished } from 'vitest'
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

export async function write({ page }: Device, title: string): Promise<void> {
  await page.getByLabel('Title', { exact: true }).fill(title)
  await page.getByRole('button', { name: 'Write' }).click()
}

export const documentsOf = ({ page }: Device) => page.getByRole('list', { name: 'Documents' }).getByRole('listitem')
