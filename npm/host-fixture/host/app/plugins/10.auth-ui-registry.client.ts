import { defineNuxtPlugin } from '#imports'
import { openRegistry } from '~/core/auth-ui/registry'

/** The account button. */
export default defineNuxtPlugin(() => {
  const { register, get } = openRegistry('__or3AuthUiAdapterQueue__', 'or3:auth-ui-adapter-register')
  return { provide: { registerAuthUiAdapter: register, authUiAdapter: get } }
})
