import { createApp } from 'vue'
import { createAccount } from '#account'
import App from './App.vue'
import './app.css'
import { followColorScheme } from './colorScheme'

// A page that was open while the server was updated requests chunks that have other names in the new version.
window.addEventListener('vite:preloadError', (event) => {
  event.preventDefault()
  location.reload()
})

followColorScheme(window)

createApp(App).use(createAccount({ window })).mount('#app')
