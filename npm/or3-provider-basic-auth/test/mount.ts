import { createApp, defineComponent, h, type App, type Component } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import ui from '@nuxt/ui/vue-plugin'
import { createAccount, type Account, type AccountOptions } from '../src/runtime/account'
import type { Passkeys } from '../src/runtime/account/passkeys/passkeys'
import type { TestServer } from './server'

/** A browser that can do passkeys, with an answer for each ceremony. */
export function testPasskeys(over: Partial<Passkeys> = {}): Passkeys {
  return {
    obstacle: async () => null,
    autofillSupported: async () => false,
    get: async () => ({ id: 'credential' }) as never,
    create: async () => ({ id: 'credential' }) as never,
    abort: () => {},
    ...over,
  }
}

export interface Mounted {
  account: Account
  app: App
  root: HTMLElement
  emitted: [name: string, ...args: unknown[]][]
}

const running: (() => void)[] = []

/**
 * mount shows one component in the page as an app does: with the account, the router that Nuxt UI's links want, and
 * Nuxt UI itself.
 */
export function mount(component: Component, server: TestServer, props: Record<string, unknown> = {}, options: Partial<AccountOptions> = {}, landmark: 'main' | 'div' = 'main'): Mounted {
  const emitted: Mounted['emitted'] = []
  const root = document.body.appendChild(document.createElement('div'))
  root.className = 'isolate'
  const account = createAccount({ window, fetch: server.fetch, passkeys: testPasskeys(), ...options })
  const events = (component as { emits?: string[] }).emits ?? []
  const listeners = Object.fromEntries(events.map(name => [
    `on${name[0]!.toUpperCase()}${name.slice(1)}`,
    (...args: unknown[]) => emitted.push([name, ...args]),
  ]))
  const app = createApp(defineComponent({ render: () => h(landmark, h(component, { ...listeners, ...props })) }))
  app.use(createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: { render: () => null } }] })).use(ui).use(account)
  app.mount(root)
  running.push(() => {
    app.unmount()
    root.remove()
  })
  return { account, app, root, emitted }
}

export function unmountAll(): void {
  for (const stop of running.splice(0)) stop()
  document.documentElement.classList.remove('dark')
  localStorage.clear()
  history.replaceState(null, '', location.pathname + location.search)
}
