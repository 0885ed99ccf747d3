import { defineNuxtPlugin } from '#imports'
import { registerClientSessionRecovery } from '~/composables/auth/useClientSessionRecovery'
import type { Account } from '../account/context'

/** Hosts that try to recover a session before they end it use the same renewal as everything else on the page. */
export default defineNuxtPlugin({
  name: 'or3-basic-auth:recovery',
  dependsOn: ['or3-basic-auth:account'],
  setup(nuxtApp) {
    const account = nuxtApp.$or3Account as Account | undefined
    if (account) registerClientSessionRecovery(() => account.renew())
  },
})
