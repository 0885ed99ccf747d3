export interface RateLimitConfig {
  windowMs: number
  maxRequests: number
}

export interface RateLimitProvider {
  name: string
  checkAndRecord(key: string, config: RateLimitConfig): Promise<{ allowed: boolean, remaining: number, retryAfterMs?: number }>
  getStats(key: string, config: RateLimitConfig): Promise<{ limit: number, remaining: number, resetMs: number } | null>
}
