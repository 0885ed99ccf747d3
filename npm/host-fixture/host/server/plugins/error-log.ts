import { getRequestPath } from 'h3'
import { defineNitroPlugin } from '#imports'

/** One line of JSON on standard error for each error of a request. */
export default defineNitroPlugin((nitroApp) => {
  nitroApp.hooks.hook('error', (error, { event }) => {
    const { message, statusCode: status = 500 } = error as Error & { statusCode?: number }
    const line = { level: 'error', message, status, method: event?.method, path: event && getRequestPath(event).split('?')[0], timestamp: new Date().toISOString() }
    process.stderr.write(`${JSON.stringify(line)}\n`)
  })
})
