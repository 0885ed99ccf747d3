export default defineEventHandler((event) => {
  setCookie(event, 'signed-in', 'yes')
  return { ok: true }
})
