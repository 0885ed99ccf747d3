// The browsers of the distribution.
import { existsSync } from 'node:fs'
import { chromium, firefox, type Browser } from 'playwright'

interface Program {
  readonly name: string
  /** Whether a machine without it fails; else the browser is left out. */
  readonly demanded: boolean
  readonly there: boolean
  launch: () => Promise<Browser>
}

const { CHROMIUM = '/usr/bin/chromium', FIREFOX = '/usr/bin/firefox-esr' } = process.env

export const browsers: readonly Program[] = [
  {
    name: 'Chromium',
    demanded: true,
    there: existsSync(CHROMIUM),
    launch: () => chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] }),
  },
  {
    name: 'Firefox',
    demanded: false,
    there: existsSync(FIREFOX),
    // Playwright speaks WebDriver BiDi with a Firefox that it has not built itself.
    launch: () => firefox.launch({ executablePath: FIREFOX, channel: 'moz-firefox' }),
  },
]
