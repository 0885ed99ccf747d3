import type { DeviceParts } from '../api/wire'
import type { accountWords } from '../messages/en/account'
import type { Text } from '../messages/text'

/** deviceName is what people call a device: "Safari on iPhone". The server finds the parts. */
export function deviceName(t: Text<Pick<typeof accountWords, 'devices.browserOn' | 'devices.unknown'>>, parts: DeviceParts = {}): string {
  const { browser, system } = parts
  return browser && system ? t('devices.browserOn', { browser, system }) : browser ?? system ?? t('devices.unknown')
}
