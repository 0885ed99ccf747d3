import { eventWords } from './en/events'
import type { Text } from './text'

/** eventText says what happened. A kind that a newer server records is spelled out rather than hidden. */
export function eventText(t: Text<typeof eventWords>, kind: string): string {
  const key = `event.${kind}`
  return isKnown(key) ? t(key) : spelledOut(kind)
}

const isKnown = (key: string): key is keyof typeof eventWords => key in eventWords

function spelledOut(kind: string) {
  const words = kind.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
