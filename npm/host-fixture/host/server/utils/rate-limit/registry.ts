import { Named } from '../named'
import type { RateLimitProvider } from './types'

const providers = new Named<RateLimitProvider>()

export function registerRateLimitProvider(id: string, provider: RateLimitProvider): void {
  providers.register(id, provider)
}

export const getRateLimitProvider = (id: string): RateLimitProvider | undefined => providers.get(id)
