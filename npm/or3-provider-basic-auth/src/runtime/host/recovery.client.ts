import { defineNuxtPlugin } from '#imports'
import { registerClientSessionRecovery } from '~/composables/auth/useClientSessionRecovery'
import type { Account } from '../account/context'

/** Hosts that try to save a session before they declare it dead share our renewal with everything else on the page. */
export default defineNuxtPlugin({
  name: 'or3-basic-auth:recovery',
  dependsOn: ['or3-basic-auth:account'],
  setup(nuxtApp) {
    const account = nuxtApp.$or3Account as Account | undefined
    if (account) registerClientSessionRecovery(() => account.renew())
  },
})
