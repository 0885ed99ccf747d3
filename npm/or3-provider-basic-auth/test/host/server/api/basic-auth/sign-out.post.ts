export default defineEventHandler((event) => {
  deleteCookie(event, 'signed-in')
  return { ok: true }
})
