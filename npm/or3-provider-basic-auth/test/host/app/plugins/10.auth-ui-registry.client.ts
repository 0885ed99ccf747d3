import { shallowReactive, type Component } from 'vue'

export interface AuthUiAdapter { id: string, component: Component }

declare global {
  var __or3AuthUiAdapterQueue__: AuthUiAdapter[] | undefined
}

/**
 * The registry that OR3 Chat has for the account button of its sidebar; plugins that ran before it have left their
 * adapters in the queue.
 */
export default defineNuxtPlugin(() => {
  const adapters = shallowReactive(new Map<string, Component>())
  for (const { id, component } of globalThis.__or3AuthUiAdapterQueue__ ?? []) adapters.set(id, component)
  return {
    provide: {
      authUiAdapters: adapters,
      registerAuthUiAdapter: (adapter: AuthUiAdapter) => void adapters.set(adapter.id, adapter.component),
    },
  }
})
