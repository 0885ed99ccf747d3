// RateLimitProvider (contract, host-integration §4).
import { createHash } from 'node:crypto'
import type { Limit, RateLimitProvider } from '~~/server/utils/rate-limit/registry'
import { cloud } from './cloud'

/** The engine's limits for one window (docs/engine.md): the length of a key in bytes, and the number of requests. */
const longestKey = 512
const mostRequests = 10_000

function asked(key: string, { windowMs, maxRequests }: Limit): { key: string, windowMs: number, maxRequests: number } {
  return {
    key: Buffer.byteLength(key) > longestKey ? createHash('sha256').update(key).digest('hex') : key,
    windowMs,
    maxRequests: Math.min(maxRequests, mostRequests),
  }
}

/** Rate limit windows that all processes of a host share and that outlive them, with at most 10,000 requests each. */
export function rateLimits(name: string): RateLimitProvider {
  return {
    name,
    checkAndRecord: (key, limit) => cloud.call(undefined, 'limits/check-and-record', asked(key, limit)),
    getStats: (key, limit) => cloud.call(undefined, 'limits/get-stats', asked(key, limit)),
  }
}
