// The browsers of the distribution.
import { existsSync } from 'node:fs'
import type { Browser } from './browser.js'
import { launchChromium } from './chromium.js'
import { launchFirefox } from './firefox.js'

interface Program {
  readonly name: string
  /** A machine without it fails; one without another browser leaves that out. */
  readonly demanded: boolean
  readonly there: boolean
  launch: () => Promise<Browser>
}

const { CHROMIUM = '/usr/bin/chromium', FIREFOX = '/usr/bin/firefox-esr' } = process.env

export const browsers: readonly Program[] = [
  { name: 'Chromium', demanded: true, there: existsSync(CHROMIUM), launch: () => launchChromium(CHROMIUM) },
  { name: 'Firefox', demanded: false, there: existsSync(FIREFOX), launch: () => launchFirefox(FIREFOX) },
]
