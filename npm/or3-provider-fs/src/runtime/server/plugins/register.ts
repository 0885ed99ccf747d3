import { providerAdmin } from 'or3-cloud-engine/nitro'
import { defineNitroPlugin, useRuntimeConfig } from '#imports'
import { registerProviderAdminAdapter } from '~~/server/admin/providers/registry'
import { registerStorageGatewayAdapter } from '~~/server/storage/gateway/registry'
import { id, isSelected, type HostFiles } from '../../selection'
import { cloud } from '../cloud'
import { gateway } from '../gateway'

/**
 * Registers everything before the first await: the host reads its registries right after its plugins have run.
 */
export default defineNitroPlugin((nitroApp) => {
  if (!isSelected(useRuntimeConfig() as HostFiles)) return

  registerStorageGatewayAdapter({ id, create: () => gateway })
  registerProviderAdminAdapter(providerAdmin(cloud, { id, kind: 'storage' }))
  cloud.start(nitroApp, { mode: process.env.NODE_ENV })
})
