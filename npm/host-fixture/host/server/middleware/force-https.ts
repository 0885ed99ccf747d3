import { defineEventHandler, getHeader, sendRedirect } from 'h3'
import { useRuntimeConfig } from '#imports'

export default defineEventHandler((event) => {
  if (!useRuntimeConfig(event).security.forceHttps) return
  const host = getHeader(event, 'host')
  const https = getHeader(event, 'x-forwarded-proto') ?? ('encrypted' in event.node.req.socket ? 'https' : 'http')
  if (https !== 'https' && host) return sendRedirect(event, `https://${host}${event.path}`, 301)
})
