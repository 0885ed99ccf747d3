import { createApp } from 'vue'
import { createAccount } from '#account'
import App from './App.vue'
import './app.css'
import { followColorScheme } from './colorScheme'

// A page that was open during an update of the server asks for parts that the new one has under other names.
window.addEventListener('vite:preloadError', (event) => {
  event.preventDefault()
  location.reload()
})

followColorScheme(window)

createApp(App).use(createAccount({ window })).mount('#app')
