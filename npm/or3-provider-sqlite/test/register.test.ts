import { afterEach, describe, expect, test, vi } from 'vitest'
import { registries } from './nuxt'
import { runPlugins, selectedHost, startHost, type Host } from './rig'

let host: Host | undefined
afterEach(async () => {
  await host?.close()
  host = undefined
  for (const registry of Object.values(registries)) registry.clear()
})

const registered = () =>
  Object.entries(registries)
    .filter(([, registry]) => registry.has('sqlite'))
    .map(([name]) => name)
    .sort()

const off = { enabled: false, storageProvider: 'memory' }
const convex = { enabled: true, provider: 'convex' }

describe('what is registered', () => {
  const all = ['adminAdapters', 'adminCheckers', 'adminStores', 'emitters', 'jobs', 'rateLimits', 'syncAdapters', 'workspaceStores']
  const accounts = ['adminCheckers', 'adminStores', 'workspaceStores']

  test.each<[string, object, string[]]>([
    ['everything', selectedHost, all],
    ['accounts without synchronization', { ...selectedHost, sync: { enabled: false, provider: 'sqlite' }, limits: off, backgroundJobs: off }, accounts],
    ['the provider is named for the browser only', { auth: selectedHost.auth, sync: { enabled: false }, public: selectedHost.public }, accounts],
    ['limits alone', { ...selectedHost, sync: convex, public: { sync: convex }, backgroundJobs: off }, ['rateLimits']],
    ['limits that are off', { ...selectedHost, sync: convex, public: { sync: convex }, limits: { ...off, storageProvider: 'sqlite' }, backgroundJobs: off }, []],
    ['another provider', { auth: selectedHost.auth, sync: convex, public: { sync: convex } }, []],
    ['no accounts', { auth: { enabled: false }, sync: { enabled: false, provider: 'sqlite' } }, []],
    ['nothing', {}, []],
  ])('%s', async (_, runtime, expected) => {
    const written = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write'), vi.spyOn(console, 'log'), vi.spyOn(console, 'warn')]
    host = await runPlugins({ runtime })
    expect(registered()).toEqual(expected)
    if (expected.length === 0) for (const spy of written) expect(spy).not.toHaveBeenCalled()
    for (const spy of written) spy.mockRestore()
  })

  test('everything is there when the plugin returns', async () => {
    host = await runPlugins()
    const instances = [registries.workspaceStores.ours(), registries.workspaceStores.ours()]
    expect(instances[0]).toBe(instances[1])
  })
})

test('accounts work with synchronization off', async () => {
  host = await startHost({ runtime: { ...selectedHost, sync: { enabled: false, provider: 'sqlite' } } })
  const store = registries.workspaceStores.ours()
  const { userId } = await store.getOrCreateUser({ provider: 'test', providerUserId: 'ann' })
  const { workspaceId } = await store.getOrCreateDefaultWorkspace(userId)
  expect(await store.getWorkspaceRole({ userId, workspaceId })).toBe('owner')
})
