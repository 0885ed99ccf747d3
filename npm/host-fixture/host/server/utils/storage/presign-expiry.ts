export const DEFAULT_PRESIGN_EXPIRY_MS = 900_000
export const MAX_PRESIGN_EXPIRY_MS = 3_600_000

/** When a URL ends, in milliseconds: as its adapter says, in at most an hour. */
export function resolvePresignExpiresAt(expiresAt: number | undefined, now = Date.now()): number {
  return Math.min(expiresAt ?? now + DEFAULT_PRESIGN_EXPIRY_MS, now + MAX_PRESIGN_EXPIRY_MS)
}
