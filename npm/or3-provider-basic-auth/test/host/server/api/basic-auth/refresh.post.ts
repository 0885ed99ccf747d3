export default defineEventHandler(() => ({ ok: false }))
