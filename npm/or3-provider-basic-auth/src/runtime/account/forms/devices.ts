import type { accountWords } from '../messages/en/account'
import type { Text } from '../messages/text'

/** Names in the order in which they are looked for: most browsers also call themselves by older names. */
const browsers: [RegExp, string][] = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/(?:Firefox|FxiOS)\//, 'Firefox'],
  [/(?:Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/Version\/[\d.]+.*Safari\//, 'Safari'],
]

const systems: [RegExp, string][] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/CrOS/, 'ChromeOS'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/Linux/, 'Linux'],
]

/** deviceParts reads browser and system from a user agent, as far as it tells. */
export function deviceParts(userAgent = ''): { browser?: string, system?: string } {
  const find = (names: [RegExp, string][]) => names.find(([pattern]) => pattern.test(userAgent))?.[1]
  return { browser: find(browsers), system: find(systems) }
}

/** deviceName is what people call a device: "Safari on iPhone". */
export function deviceName(t: Text<Pick<typeof accountWords, 'devices.browserOn' | 'devices.unknown'>>, userAgent?: string): string {
  const { browser, system } = deviceParts(userAgent)
  return browser && system ? t('devices.browserOn', { browser, system }) : browser ?? system ?? t('devices.unknown')
}
