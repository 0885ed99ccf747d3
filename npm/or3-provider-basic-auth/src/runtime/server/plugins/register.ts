import { providerAdmin } from 'or3-cloud-engine/nitro'
import { defineNitroPlugin, useRuntimeConfig } from '#imports'
import { registerProviderAdminAdapter } from '~~/server/admin/providers/registry'
import { registerAuthProvider } from '~~/server/auth/registry'
import { registerProviderTokenBroker } from '~~/server/auth/token-broker/registry'
import { id, isSelected, type HostAuth } from '../../selection'
import { cloud } from '../cloud'
import { broker, provider } from '../provider'
import { addressOf, announceSetup } from '../setup'

/**
 * Registers everything before the first await: the host reads its registries right after its plugins have run.
 */
export default defineNitroPlugin((nitroApp) => {
  const config = useRuntimeConfig()
  if (!isSelected(config as HostAuth)) return

  registerAuthProvider({ id, create: () => provider })
  registerProviderTokenBroker(id, () => broker)
  registerProviderAdminAdapter(providerAdmin(cloud, { id, kind: 'auth' }))
  cloud.start(nitroApp, { mode: process.env.NODE_ENV })
  if (cloud.running) void announceSetup(cloud, addressOf(process.env, config.app.baseURL))
})
