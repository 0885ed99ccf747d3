import { triggerWords } from './trigger'
import { plural } from './numbers'

const changes = (count: number) => plural(count, 'change', 'changes')

export const unsentWords = {
  ...triggerWords,
  'unsent.title': 'Some changes have not been sent',
  'unsent.count': (p: { count: number }) => `${changes(p.count)} made on this device ${p.count === 1 ? 'is' : 'are'} not on the server.`,
  'unsent.waiting': 'If you sign out now, they stay in this browser and are sent when you sign in here again.',
  'unsent.others': 'The others stay in this browser and are sent when you sign in here again.',
  'unsent.failed': (p: { count: number }) => `${changes(p.count)} could not be sent and ${p.count === 1 ? 'stays' : 'stay'} in this browser only.`,
  'unsent.cleared': (p: { count: number }) => `Signing out deletes ${changes(p.count)} permanently, because OR3 Chat is set to clear the workspace.`,
  'unsent.done': 'Everything is on the server now.',
  'unsent.stay': 'Stay signed in',
  'unsent.leave': 'Sign out anyway',
}
