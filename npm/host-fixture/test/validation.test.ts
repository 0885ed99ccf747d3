// The start-up check of a host: what is chosen has to be registered when the last plugin runs.
import { expect, test } from 'vitest'
import { chosen, launch, newest, start } from './host.js'

test('what no package registers is named, and the host does not start', async () => {
  const server = await launch({ env: chosen('nowhere', 'nothing', 'none') })
  expect(await server.exit()).not.toBe(0)
  expect(server.said).toContain('[or3-cloud-config] Provider registration validation failed:')
  expect(server.said).toContain('- auth.provider "nowhere" is not registered. Install the provider package that registers it (e.g. or3-provider-nowhere).')
  expect(server.said).toContain('- sync.provider "nothing" is not registered.')
  expect(server.said).toContain('- AuthWorkspaceStore for "nothing" is not registered.')
  expect(server.said).toContain('- storage.provider "none" is not registered.')
})

test('ours are registered at once, and the workspaces also without sync', async () => {
  const server = await start({ env: { OR3_SYNC_ENABLED: 'false', NUXT_SYNC_ENABLED: 'false', NUXT_PUBLIC_SYNC_ENABLED: 'false' } })
  expect(server.said).not.toContain('validation failed')
})

test.runIf(newest)('without sync the newest host demands the workspaces of its provider', async () => {
  const server = await launch({ env: { ...chosen('basic-auth', 'nothing', 'fs'), NUXT_SYNC_ENABLED: 'false', NUXT_PUBLIC_SYNC_ENABLED: 'false' } })
  expect(await server.exit()).not.toBe(0)
  expect(server.said).toContain('- AuthWorkspaceStore for "nothing" is not registered.')
  expect(server.said).not.toContain('sync.provider')
})

test.runIf(newest)('the newest host demands the provider of background work', async () => {
  const server = await launch({ env: { NUXT_BACKGROUND_JOBS_ENABLED: 'true', NUXT_BACKGROUND_JOBS_STORAGE_PROVIDER: 'nothing' } })
  expect(await server.exit()).not.toBe(0)
  expect(server.said).toContain('- backgroundJobs.storageProvider "nothing" is not registered.')
})
