/** Forgets what a confirmed sign-out has to leave no trace of. The fixture keeps nothing but a sign that it was asked. */
export function logoutCleanup(_nuxtApp: unknown): void {
  sessionStorage.setItem('signed-out', 'yes')
}
