import { expect, type Page } from '@playwright/test'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const screenshots = join(import.meta.dirname, '../screenshots')

// axe checks each colour scheme at each width.
const screens = [
  { name: 'desktop-light', viewport: { width: 1280, height: 800 }, colorScheme: 'light', audit: true },
  { name: 'desktop-dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark', audit: false },
  { name: 'phone-dark', viewport: { width: 320, height: 640 }, colorScheme: 'dark', audit: true },
  { name: 'phone-light', viewport: { width: 320, height: 640 }, colorScheme: 'light', audit: false },
] as const

/**
 * look takes a screenshot of the current page on each screen, and checks that axe finds nothing and that everything
 * is within the screen. `phone` is the width of the narrow one.
 */
export async function look(page: Page, name: string, { phone = 320 } = {}): Promise<void> {
  const before = page.viewportSize()
  for (const { name: screen, viewport: { width, height }, colorScheme, audit } of screens) {
    const viewport = { width: width < 640 ? phone : width, height }
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    await page.evaluate(() => document.activeElement?.scrollIntoView({ block: 'center' }))
    const fullPage = await page.getByRole('dialog').count() === 0 // a dialog covers the visible part of the page
    await page.screenshot({ path: join(screenshots, `${name}-${screen}.png`), animations: 'disabled', fullPage })
    expect(await page.evaluate(() => document.documentElement.scrollWidth), `${name}, ${screen}: width`).toBeLessThanOrEqual(viewport.width)
    for (const dialog of await page.getByRole('dialog').all()) {
      const box = (await dialog.boundingBox())!
      const inside = box.x >= 0 && box.y >= 0 && box.x + box.width <= viewport.width && box.y + box.height <= viewport.height
      expect(inside, `${name}, ${screen}: the dialog is at ${JSON.stringify(box)}`).toBe(true)
      // Its body scrolls; if the dialog itself did, focusing a field could push the title out of sight.
      const overflow = await dialog.evaluate(element => element.scrollHeight - element.clientHeight)
      expect(overflow, `${name}, ${screen}: pixels of the dialog that stick out`).toBe(0)
    }
    if (audit) expect(await violations(page), `${name}, ${screen}: axe`).toEqual([])
  }
  await page.emulateMedia({ colorScheme: 'light' })
  if (before) await page.setViewportSize(before)
}

interface Violation { id: string, nodes: { html: string, failureSummary?: string }[] }

async function violations(page: Page): Promise<object[]> {
  await page.evaluate(`${axe}; undefined`)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } }
    // An open menu belongs to its button and not to a region of the page, wherever it is in the document.
    const menu = document.querySelector('[role="menu"]') !== null
    return (await axe.run({ rules: { region: { enabled: !menu } } })).violations
  })
  return found.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })) }))
}
