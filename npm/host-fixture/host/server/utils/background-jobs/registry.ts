import { Named } from '../named'
import type { BackgroundJobProvider } from './types'

const providers = new Named<BackgroundJobProvider>()

export function registerBackgroundJobProvider(id: string, provider: BackgroundJobProvider): void {
  providers.register(id, provider)
}

export const hasBackgroundJobProvider = (id: string): boolean => providers.has(id)
