import { triggerWords } from './trigger'
import { plural } from './numbers'

export const unsentWords = {
  ...triggerWords,
  'menu.unsent.title': 'Some changes are not sent yet',
  'menu.unsent.text': (p: { count: number }) => `${plural(p.count, 'change', 'changes')} of this device did not reach the server. If you sign out now, they may be lost.`,
  'menu.unsent.stay': 'Stay signed in',
  'menu.unsent.leave': 'Sign out anyway',
}
