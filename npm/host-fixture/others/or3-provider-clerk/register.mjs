import { getCookie } from 'h3'
import { defineNitroPlugin, useRuntimeConfig } from 'nitropack/runtime'
import { registerAuthProvider } from '~~/server/auth/registry'

const hour = 3_600_000 // milliseconds

export default defineNitroPlugin(() => {
  const { auth } = useRuntimeConfig()
  if (!auth.enabled || auth.provider !== 'clerk') return
  registerAuthProvider({
    id: 'clerk',
    create: () => ({
      name: 'clerk',
      async getSession(event) {
        const name = getCookie(event, 'clerk')
        if (!name) return null
        return { provider: 'clerk', user: { id: name, email: `${name}@example.org` }, expiresAt: new Date(Date.now() + hour) }
      },
    }),
  })
})
