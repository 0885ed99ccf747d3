import { defineNuxtPlugin } from '#imports'
import { openRegistry } from '~/core/auth-ui/registry'

/** The page for who is locked out. */
export default defineNuxtPlugin(() => {
  const { register, get } = openRegistry('__or3LockPageAdapterQueue__', 'or3:lock-page-adapter-register')
  return { provide: { registerLockPageAdapter: register, lockPageAdapter: get } }
})
