import { shallowReactive, type Component } from 'vue'

export interface AuthUiAdapter { id: string, component: Component }

/** The registry that OR3 Chat has for the account button of its sidebar. */
export default defineNuxtPlugin(() => {
  const adapters = shallowReactive(new Map<string, Component>())
  return {
    provide: {
      authUiAdapters: adapters,
      registerAuthUiAdapter: (adapter: AuthUiAdapter) => void adapters.set(adapter.id, adapter.component),
    },
  }
})
