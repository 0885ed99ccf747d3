import { createError, defineEventHandler, getRequestURL } from 'h3'
import { useRuntimeConfig } from '#imports'

/** The pages of the administration are there if it has a name and a password. The fixture has none of the pages. */
export default defineEventHandler((event) => {
  const { basePath, auth } = useRuntimeConfig(event).admin
  const { pathname } = getRequestURL(event)
  const inside = pathname === basePath || pathname.startsWith(`${basePath}/`)
  if (inside && !(auth.username && auth.password)) throw createError({ statusCode: 404, statusMessage: 'Not Found' })
})
