// RateLimitProvider (contract, host-integration §4).
import { createHash } from 'node:crypto'
import type { Limit, RateLimitProvider } from '~~/server/utils/rate-limit/registry'
import { cloud } from './cloud'

/** What the engine keeps of one window (docs/engine.md): keys of so many bytes, and so many requests. */
const longestKey = 512
const mostRequests = 10_000

function asked(key: string, { windowMs, maxRequests }: Limit): { key: string, windowMs: number, maxRequests: number } {
  return {
    key: Buffer.byteLength(key) > longestKey ? createHash('sha256').update(key).digest('hex') : key,
    windowMs,
    maxRequests: Math.min(maxRequests, mostRequests),
  }
}

/** Windows that all processes of a host share, and that outlive them. No window takes more than 10,000 requests. */
export function rateLimits(name: string): RateLimitProvider {
  return {
    name,
    checkAndRecord: (key, limit) => cloud.call(undefined, 'limits/check-and-record', asked(key, limit)),
    getStats: (key, limit) => cloud.call(undefined, 'limits/get-stats', asked(key, limit)),
  }
}
