// The components that auth providers bring: the account button, and in newer hosts a page for who is locked out.
import { shallowReactive, type Component } from 'vue'

export interface UiAdapter {
  id: string
  component: Component
}

/**
 * A registry that plugins of modules reach in any order: before it is open they leave their adapters in a queue,
 * afterwards they call what this returns, or send an event.
 */
export function openRegistry(queue: `__or3${string}Queue__`, eventName: string) {
  const adapters = shallowReactive(new Map<string, Component>())
  const register = ({ id, component }: UiAdapter) => void adapters.set(id.trim().toLowerCase(), component)
  const waiting: unknown = Reflect.get(globalThis, queue)
  for (const adapter of Array.isArray(waiting) ? waiting as UiAdapter[] : []) register(adapter)
  window.addEventListener(eventName, event => register((event as CustomEvent<UiAdapter>).detail))
  return { register, get: (id: string): Component | undefined => adapters.get(id.trim().toLowerCase()) }
}
