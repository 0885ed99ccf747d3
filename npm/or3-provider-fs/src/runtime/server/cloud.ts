// The engine client that the adapters of this package share.
import { createError } from 'h3'
import { ProviderHost, type HostConfig } from 'or3-cloud-engine/nitro'
import { useRuntimeConfig } from '#imports'
import { name, version } from '../../../package.json'

export const cloud = new ProviderHost({
  user: { name, version },
  createError,
  config: () => useRuntimeConfig() as HostConfig,
})
