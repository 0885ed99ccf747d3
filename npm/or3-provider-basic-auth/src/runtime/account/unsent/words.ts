import type { unsentWords } from '../messages/en/unsent'
import type { Text } from '../messages/text'
import { countOf, type Unsent } from './unsent'

/** unsentText says how many edits are not on the server, and what signing out does to them. */
export function unsentText(t: Text<typeof unsentWords>, unsent: Unsent): string[] {
  const count = countOf(unsent)
  if (count === 0) return [t('unsent.done')]
  const said = [t('unsent.count', { count })]
  if (unsent.cleared > 0) said.push(t('unsent.cleared', { count: unsent.cleared }))
  if (unsent.waiting > 0 && unsent.cleared < count) said.push(t(unsent.cleared > 0 ? 'unsent.others' : 'unsent.waiting'))
  if (unsent.failed > 0 && unsent.cleared < count) said.push(t('unsent.failed', { count: unsent.failed }))
  return said
}
