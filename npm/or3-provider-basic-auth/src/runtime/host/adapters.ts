import type { Component } from 'vue'

export interface Adapter {
  id: string
  component: Component
}

/**
 * A registry of the host: a function on the Nuxt app once its plugin has run, a queue on the global object before that.
 */
interface Registry {
  inject: `$${string}`
  queue: string
}

const registries = {
  authUi: { inject: '$registerAuthUiAdapter', queue: '__or3AuthUiAdapterQueue__' },
  lockPage: { inject: '$registerLockPageAdapter', queue: '__or3LockPageAdapterQueue__' },
} satisfies Record<string, Registry>

/** registerAdapter passes a component to the host. A host without that registry never reads the queue. */
export function registerAdapter(kind: keyof typeof registries, adapter: Adapter, nuxtApp: object, global: object = globalThis): void {
  const { inject, queue } = registries[kind]
  const register: unknown = Reflect.get(nuxtApp, inject)
  if (typeof register === 'function') {
    register(adapter)
    return
  }
  const waiting: unknown = Reflect.get(global, queue)
  Reflect.set(global, queue, [...Array.isArray(waiting) ? waiting : [], adapter])
}
