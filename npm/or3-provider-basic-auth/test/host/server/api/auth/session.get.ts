export default defineEventHandler((event) => {
  const authenticated = getCookie(event, 'signed-in') === 'yes'
  return { session: authenticated ? { authenticated, provider: 'basic-auth', user: { id: 'u1', email: 'ann@example.org', displayName: 'Ann Lee' } } : null }
})
