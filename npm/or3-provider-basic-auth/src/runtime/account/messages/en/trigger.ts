export const triggerWords = {
  'trigger.signIn': 'Sign in',
  'trigger.short': 'Account',
  'trigger.account': (p: { name: string }) => `Account: ${p.name}`,
  'trigger.unknown': 'Checking your sign-in',
  'menu.manage': 'Manage account',
  'menu.password': 'Change password',
  'menu.signOut': 'Sign out',
  'menu.signingOut': 'Signing out…',
  'menu.failed': 'You could not be signed out. Try again.',
}
