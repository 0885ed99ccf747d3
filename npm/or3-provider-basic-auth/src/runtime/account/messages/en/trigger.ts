export const triggerWords = {
  'trigger.signIn': 'Sign in',
  'trigger.short': 'Account',
  'trigger.account': (p: { name: string }) => `Account of ${p.name}`,
  'trigger.unknown': 'Looking for your account',
  'menu.manage': 'Manage account',
  'menu.password': 'Change password',
  'menu.signOut': 'Sign out',
  'menu.signingOut': 'Signing out…',
  'menu.failed': 'You could not be signed out. Try again.',
}
