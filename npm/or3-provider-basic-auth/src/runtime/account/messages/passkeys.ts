import type { Config } from '../api/wire'
import type { PasskeyObstacle } from '../passkeys/obstacle'
import type { commonWords } from './en/common'
import type { Text } from './text'

/** obstacleText says why there are no passkeys here. */
export function obstacleText(t: Text<typeof commonWords>, obstacle: PasskeyObstacle, config: Pick<Config, 'passkeyDomain'> | null | undefined): string {
  if (obstacle === 'domain') return t('passkey.domain', { domain: config?.passkeyDomain ?? '' })
  return t(`passkey.${obstacle}`)
}
