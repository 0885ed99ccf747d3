import { Named } from '../../utils/named'
import type { AdminStoreProvider } from './types'

const providers = new Named<AdminStoreProvider>()

/** Registers stores under the id of their sync provider. */
export function registerAdminStoreProvider(provider: AdminStoreProvider): void {
  providers.register(provider.id, provider)
}

export const getAdminStoreProvider = (id: string): AdminStoreProvider | undefined => providers.get(id)
