import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createError, defineEventHandler, getRouterParam, setResponseHeader } from 'h3'

const types: Record<string, string> = { html: 'text/html', js: 'text/javascript' }

/** The page with which npm/client/matrix tests hosts. Tests build it, and name its folder when they start the host. */
export default defineEventHandler(async (event) => {
  const folder = process.env.OR3_FIXTURE_DEVICE
  const path = getRouterParam(event, 'path') ?? ''
  const type = types[path.split('.').at(-1) ?? '']
  if (!folder || !type || path.includes('..')) throw createError({ statusCode: 404, statusMessage: 'Not Found' })
  setResponseHeader(event, 'Content-Type', type)
  return readFile(join(folder, path), 'utf8')
})
