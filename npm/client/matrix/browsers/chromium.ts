import { chromium } from 'playwright'
import type { Browser } from './browser.js'

export async function launchChromium(program: string): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  return {
    close: () => browser.close(),
    profile: async () => {
      const context = await browser.newContext()
      context.setDefaultTimeout(0)
      return {
        cookies: async () => Object.fromEntries((await context.cookies()).map(({ name, value }) => [name, value])),
        lose: name => context.clearCookies({ name }),
        close: () => context.close(),
        open: async (address) => {
          const page = await context.newPage()
          const complaints: string[] = []
          page.on('pageerror', error => complaints.push(String(error)))
          // A browser reports requests that fail; that is not an error of the page.
          page.on('console', message => message.type() === 'error' && !message.text().startsWith('Failed to load resource') && complaints.push(message.text()))
          await page.goto(address)
          return { complaints, evaluate: expression => page.evaluate(expression), close: () => page.close() }
        },
      }
    },
  }
}
