// The browsers of the distribution.
import { existsSync } from 'node:fs'
import type { Browser } from './browser.js'
import { launchChromium } from './chromium.js'
import { launchFirefox } from './firefox.js'

interface Program {
  readonly name: string
  /** Without it the tests fail; another browser is left out unless it is named. */
  readonly demanded: boolean
  readonly there: boolean
  launch: () => Promise<Browser>
}

const { CHROMIUM = '/usr/bin/chromium', FIREFOX = '' } = process.env

export const browsers: readonly Program[] = [
  { name: 'Chromium', demanded: true, there: existsSync(CHROMIUM), launch: () => launchChromium(CHROMIUM) },
  { name: 'Firefox', demanded: false, there: existsSync(FIREFOX), launch: () => launchFirefox(FIREFOX) },
]
