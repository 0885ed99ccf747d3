import { createApp } from 'vue'
import { createAccount } from '#account'
import '#account/theme.css'
import '#account/layout.css'
import '../app.css'
import { followColorScheme } from '../colorScheme'
import AdminApp from './AdminApp.vue'
import './admin.css'
import { createAdmin } from './client'

// A page that was open while the server was updated requests chunks that have other names in the new version.
window.addEventListener('vite:preloadError', (event) => {
  event.preventDefault()
  location.reload()
})

followColorScheme(window)

const account = createAccount({ window })
createApp(AdminApp).use(account).use(createAdmin({ fetch: window.fetch.bind(window), renew: account.renew })).mount('#app')
