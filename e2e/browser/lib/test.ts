import { join } from 'node:path'
import { test as base, expect, type BrowserContext, type Locator, type Page } from '@playwright/test'
import { Cloud, type Person } from './cloud.ts'
import { Mailbox } from './mailbox.ts'

export { expect, type Page, type Person, type Cloud }
export { look } from './look.ts'

export const ann: Person = { name: 'Ann', email: 'ann@example.org', password: 'seven green lamps by the river' }
export const bob: Person = { name: 'Bob', email: 'bob@example.org', password: 'the kettle sings in the morning' }

interface Fixtures {
  /** Settings of the program for a test file or group. */
  environment: Record<string, string>
  /** Whether the program serves the client in the directory "client". */
  client: boolean
  /** Whether the program has a mail server. */
  mail: boolean
  cloud: Cloud
  mailbox: Mailbox
  /** Texts that must not be in the log; tests add the secrets that they get. */
  secrets: Set<string>
  /**
   * Refusals by the server that a test expects, such as "POST /api/basic-auth/sign-in 401". Any other fails it, and
   * so does a missing one.
   */
  refused: Set<string>
  /** open opens the page, or one of its links, in a browser of its own: no cookie is shared. */
  open: (address?: string) => Promise<Page>
}

/** A test gets its own server and as many browsers as it opens. It fails if a page does anything that it should not. */
export const test = base.extend<Fixtures>({
  environment: [{}, { option: true }],
  client: [false, { option: true }],
  mail: [false, { option: true }],
  cloud: async ({ environment, client, mail, mailbox, secrets }, use) => {
    const cloud = await Cloud.start({
      ...(mail ? { OR3_SMTP_URL: `smtp://127.0.0.1:${mailbox.port}?tls=none`, OR3_SMTP_FROM: 'OR3 Cloud <cloud@example.org>' } : {}),
      ...environment,
    }, ...(client ? ['--web', join(import.meta.dirname, '../client')] : []))
    if (cloud.setup) secrets.add(cloud.setup.split('=')[1]!)
    await use(cloud)
    await cloud.stop()
    expect([...secrets].filter(secret => cloud.log.includes(secret)), 'secrets in the log').toEqual([])
  },
  secrets: async ({}, use) => use(new Set([ann, bob].flatMap(({ email, password }) => [email, password]))),
  mailbox: async ({}, use) => {
    const mailbox = await Mailbox.open()
    await use(mailbox)
    await mailbox.close()
  },
  refused: async ({}, use) => use(new Set()),
  open: async ({ browser, cloud, refused, contextOptions, viewport, colorScheme }, use) => {
    const contexts: BrowserContext[] = []
    const faults: string[] = []
    const seen = new Set<string>()
    await use(async (address = cloud.url) => {
      const context = await browser.newContext({ ...contextOptions, viewport, colorScheme })
      contexts.push(context)
      await watch(context, cloud.url, { faults, seen })
      const page = await context.newPage()
      await page.goto(address)
      return page
    })
    await Promise.all(contexts.map(context => context.close()))
    expect(faults, 'the page did something it should not').toEqual([])
    expect([...seen].sort(), 'refusals of the server').toEqual([...refused].sort())
  },
})

interface Findings { faults: string[], seen: Set<string> }

async function watch(context: BrowserContext, url: string, { faults, seen }: Findings) {
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
      console.error(`refused by the policy: ${effectiveDirective} ${blockedURI} (${sourceFile}:${lineNumber})`)
    })
  })
  context.on('weberror', ({ error }) => void faults.push(String(error())))
  context.on('console', (message) => {
    // The browser also reports each refused request here, without saying which; they are checked one by one below.
    const reported = message.text().startsWith('Failed to load resource')
    if (['error', 'warning'].includes(message.type()) && !reported) faults.push(`${message.type()}: ${message.text()}`)
  })
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== url) faults.push(`request to ${request.url()}`)
  })
  context.on('requestfailed', (request) => {
    const cause = request.failure()?.errorText
    if (cause !== 'net::ERR_ABORTED') faults.push(`${request.method()} ${request.url()}: ${cause}`) // aborted: the page left first
  })
  context.on('response', (response) => {
    if (response.status() >= 400) seen.add(`${response.request().method()} ${new URL(response.url()).pathname} ${response.status()}`)
  })
}

type Place = Page | Locator

/** fill fills in fields, by their labels. */
export async function fill(place: Place, values: Record<string, string>): Promise<void> {
  for (const [label, value] of Object.entries(values)) await place.getByLabel(label, { exact: true }).fill(value)
}

export async function press(place: Place, name: string): Promise<void> {
  await place.getByRole('button', { name, exact: true }).click()
}

/** heading waits for the page with the given heading, which must be its only one and have the focus. */
export async function heading(page: Page, name: string): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(name)
  await expect(page.getByRole('heading', { level: 1 })).toBeFocused()
  await expect(page).toHaveTitle(`${name} – OR3 Cloud`)
}

/** signIn fills in and submits the sign-in form; the test checks what follows. */
export async function signIn(page: Page, { email, password }: Person): Promise<void> {
  await fill(page, { 'E-mail': email, 'Password': password })
  await press(page, 'Sign in')
}

/** enter signs in and waits until that has succeeded. */
export async function enter(page: Page, person: Person): Promise<void> {
  await signIn(page, person)
  await heading(page, 'You are signed in')
}

/** manage opens the account dialog at one of its tabs. */
export async function manage(page: Page, tab: 'Account' | 'Security'): Promise<Locator> {
  await press(page, 'Manage account')
  const dialog = page.getByRole('dialog', { name: 'Your account' })
  await dialog.getByRole('tab', { name: tab }).click()
  return dialog
}

/** section is one of the parts of the account dialog. */
export function section(page: Page, name: string): Locator {
  return page.getByRole('dialog', { name: 'Your account' }).getByRole('region', { name, exact: true })
}
