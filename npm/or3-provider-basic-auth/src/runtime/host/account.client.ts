import { defineAsyncComponent } from 'vue'
import { defineNuxtPlugin, useRouter, useRuntimeConfig } from '#imports'
import { registerClientAuthStatusResolver } from '~/composables/auth/useClientAuthStatus.client'
import { logoutCleanup } from '~/utils/logout-cleanup'
import { createAccount } from '../account/account'
import { splitAddress } from '../account/links'
import { nothingUnsent } from '../account/unsent/unsent'
import { isActive } from './active'
import { registerAdapter } from './adapters'
import { clientAuthStatus } from './status'

export default defineNuxtPlugin({
  name: 'or3-basic-auth:account',
  setup(nuxtApp) {
    if (!isActive(useRuntimeConfig().public)) return

    const account = createAccount({ window, afterSignOut: () => logoutCleanup(nuxtApp) })
    nuxtApp.vueApp.use(account)

    // The router read the address before this plugin ran, and writes it back.
    const router = useRouter()
    nuxtApp.hook('app:mounted', () => {
      const { link, rest } = splitAddress(router.currentRoute.value.fullPath)
      if (link) void router.replace(rest)
    })

    const id = 'basic-auth'
    registerAdapter('authUi', { id, component: defineAsyncComponent(() => import('../account/components/AuthButton.vue')) }, nuxtApp)
    registerAdapter('lockPage', { id, component: defineAsyncComponent(() => import('../account/components/LockPage.vue')) }, nuxtApp)
    registerClientAuthStatusResolver(async () => {
      const state = await account.session.look()
      return clientAuthStatus(state, state.status === 'signedIn' || account.endings.meant() ? nothingUnsent : await account.unsentChanges())
    })

    return { provide: { or3Account: account } }
  },
})
