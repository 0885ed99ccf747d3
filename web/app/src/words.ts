/** The words of this page beyond those of the account components. */
export const words = {
  'page.loading': 'Connecting…',
  'page.unreachable': 'The server is not ready',
  'page.retry': 'Try again',
  'page.off': 'Accounts are switched off',
  'page.offText': 'This server only serves files: there is no sign-in, no sync and no file storage.',
  'page.offHelp': 'Whoever runs it can switch them on: remove SSR_AUTH_ENABLED=false from the configuration and start the server again. '
    + 'If it is not there, the server’s log says what is missing.',
  'page.registered': 'Your account is ready.',
  'page.signedOut': 'You are signed out.',
  'home.title': 'You are signed in',
  'home.who': 'Your account:',
  'home.manage': 'Manage account',
  'home.signOut': 'Sign out',
  'home.connect': 'Connect OR3 Chat',
  'home.connectText': 'Give OR3 Chat this address:',
  'home.copy': 'Copy address',
  'home.copied': 'The address is copied.',
  'home.copyByHand': 'The address is selected; copy it with your keyboard.',
  'home.workspaces': 'Workspaces',
  'home.noWorkspaces': 'You have no workspace yet; OR3 Chat makes one when it connects.',
  'home.active': 'active',
}
