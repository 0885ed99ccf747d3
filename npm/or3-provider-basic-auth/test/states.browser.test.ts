import axe from 'axe-core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { page } from 'vitest/browser'
import { unmountAll } from './mount'
import { states } from './states'

const themes = ['light', 'dark'] as const
const sizes = { desktop: [1024, 768], phone: [320, 640] } as const

afterEach(unmountAll)

// The page around the component is a bare frame: it has no heading of its own, and menus lie outside of its main part.
const rules = { 'page-has-heading-one': { enabled: false }, 'region': { enabled: false } }

async function faults() {
  const { violations } = await axe.run(document, { rules })
  return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.target.join(' ')} ${node.failureSummary}`))
}

/** The page and everything in it that scrolls by itself must not be wider than the screen. */
function tooWide() {
  return [document.documentElement, ...document.querySelectorAll('[role=dialog], [role=dialog] *, main *')]
    .filter(element => scrollsSideways(element) || element.getBoundingClientRect().right > innerWidth + 1)
    .map(element => `${element.tagName.toLowerCase()}.${element.getAttribute('class')}`)
}

function scrollsSideways(element: Element) {
  return element.scrollWidth > element.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(element).overflowX)
}

for (const theme of themes) {
  for (const [device, [width, height]] of Object.entries(sizes)) {
    describe(`${theme}, ${device}`, () => {
      beforeEach(async () => {
        await page.viewport(width, height)
        document.documentElement.classList.toggle('dark', theme === 'dark')
      })

      for (const [part, rows] of Object.entries(states)) {
        for (const [state, show] of Object.entries(rows)) {
          it(`${part}: ${state}`, async () => {
            await show()
            if (import.meta.env.VITE_SCREENSHOTS) await page.screenshot({ path: `__screenshots__/${theme}-${device}/${part}-${state}.png` })
            expect(await faults()).toEqual([])
            expect(tooWide()).toEqual([])
          })
        }
      }
    })
  }
}
