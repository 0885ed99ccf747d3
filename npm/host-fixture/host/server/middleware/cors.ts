import { appendResponseHeader, defineEventHandler, getHeader, setResponseHeaders, setResponseStatus } from 'h3'
import { useRuntimeConfig } from '#imports'

/** Says who may read answers. It refuses nothing. */
export default defineEventHandler((event) => {
  const origin = getHeader(event, 'origin')
  if (!origin) return
  const { allowedOrigins } = useRuntimeConfig(event).security
  const listed = allowedOrigins.includes(origin)
  if (!listed && allowedOrigins.length > 0) return
  setResponseHeaders(event, listed
    ? { 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' }
    : { 'Access-Control-Allow-Origin': '*' })
  appendResponseHeader(event, 'Vary', 'Origin')
  if (event.method !== 'OPTIONS') return
  setResponseHeaders(event, {
    'Access-Control-Allow-Methods': 'GET,POST,PUT,PATCH,DELETE,OPTIONS',
    'Access-Control-Allow-Headers': getHeader(event, 'access-control-request-headers') ?? 'Content-Type,Authorization',
    'Access-Control-Max-Age': '3600',
  })
  setResponseStatus(event, 204)
  return ''
})
