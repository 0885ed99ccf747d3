import { expect, type Page } from '@playwright/test'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const screenshots = join(import.meta.dirname, '../screenshots')

const screens = [
  { name: 'desktop-light', viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  { name: 'phone-dark', viewport: { width: 320, height: 640 }, colorScheme: 'dark' },
  { name: 'phone-light', viewport: { width: 320, height: 640 }, colorScheme: 'light' },
] as const

/** look takes a picture of the page as it is now on each screen, and checks that axe finds nothing and that nothing is wider than the screen. */
export async function look(page: Page, name: string): Promise<void> {
  const before = page.viewportSize()
  for (const { name: screen, viewport, colorScheme } of screens) {
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: join(screenshots, `${name}-${screen}.png`), animations: 'disabled' })
    expect(await page.evaluate(() => document.documentElement.scrollWidth), `${name}, ${screen}: width`).toBeLessThanOrEqual(viewport.width)
    expect(await violations(page), `${name}, ${screen}: axe`).toEqual([])
  }
  await page.emulateMedia({ colorScheme: 'light' })
  if (before) await page.setViewportSize(before)
}

interface Violation { id: string, nodes: { html: string, failureSummary?: string }[] }

async function violations(page: Page): Promise<object[]> {
  await page.evaluate(`${axe}; undefined`)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    return (await axe.run()).violations
  })
  return found.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })) }))
}
