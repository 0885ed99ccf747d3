// The host's own rate limits: the times of the last requests of each subject, in this process.
import { createError, setResponseHeader, setResponseHeaders, type H3Event } from 'h3'

const windowMs = 60_000
const capacity = 10_000

const budgets: Record<string, { windowMs: number, maxRequests: number }> = {
  'sync:push': { windowMs, maxRequests: 200 },
  'sync:pull': { windowMs, maxRequests: 120 },
  'sync:snapshot': { windowMs, maxRequests: 120 },
  'sync:cursor': { windowMs, maxRequests: 60 },
  'sync:gc': { windowMs, maxRequests: 10 },
  'storage:upload': { windowMs, maxRequests: 50 },
  'storage:download': { windowMs, maxRequests: 100 },
  'storage:commit': { windowMs, maxRequests: 30 },
  'auth:session': { windowMs, maxRequests: 60 },
  ...JSON.parse(process.env.OR3_RATE_LIMIT_OVERRIDES_JSON ?? '{}'),
}

const hits = new Map<string, number[]>()

/**
 * Counts a request.
 *
 * @throws 429 with Retry-After
 */
export function limit(event: H3Event, operation: string, subject: string, { showBudget = false } = {}): void {
  const budget = budgets[operation]
  if (!budget) return
  const key = `${subject}:${operation}`
  const now = Date.now()
  const recent = (hits.get(key) ?? []).filter(time => time > now - budget.windowMs)
  hits.delete(key)
  if (hits.size >= capacity) hits.delete(hits.keys().next().value as string)
  hits.set(key, recent)
  const oldest = recent[0]
  if (oldest !== undefined && recent.length >= budget.maxRequests) {
    const seconds = Math.max(1, Math.ceil((oldest + budget.windowMs - now) / 1000))
    setResponseHeader(event, 'Retry-After', seconds)
    throw createError({ statusCode: 429, statusMessage: `Rate limit exceeded. Retry after ${seconds}s` })
  }
  if (showBudget) {
    setResponseHeaders(event, {
      'X-RateLimit-Limit': String(budget.maxRequests),
      'X-RateLimit-Remaining': String(budget.maxRequests - recent.length),
    })
  }
  recent.push(now)
}
