/**
 * Forgets what a confirmed sign-out has to leave no trace of. The fixture leaves databases to their users, and a sign
 * that it was asked.
 */
export function logoutCleanup(_nuxtApp: unknown): void {
  sessionStorage.setItem('signed-out', 'yes')
}
