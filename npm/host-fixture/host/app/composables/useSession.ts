import { onMounted, onUnmounted, ref } from 'vue'
import type { SessionContext } from '~/core/hooks/hook-types'

/** Announces a sign-in or sign-out, in this tab as an event and in others by the same name in localStorage. */
const changed = 'or3:auth-session-changed'

/** The session of the page. When another one begins, the page is loaded again. */
export function useSession() {
  const session = ref<SessionContext | null>(null)
  const state = ref<'unknown' | 'known' | 'unavailable'>('unknown')

  async function look() {
    try {
      const answer = await $fetch<{ session: SessionContext | null }>('/api/auth/session', { cache: 'no-store' })
      const other = state.value === 'known' && answer.session?.workspace?.id !== session.value?.workspace?.id
      session.value = answer.session
      state.value = 'known'
      if (other) location.reload()
    }
    catch {
      state.value = 'unavailable' // not a sign-out
    }
  }

  const onStorage = ({ key }: StorageEvent) => {
    if (key === changed) void look()
  }
  onMounted(() => {
    window.addEventListener(changed, look)
    window.addEventListener('storage', onStorage)
    void look()
  })
  onUnmounted(() => {
    window.removeEventListener(changed, look)
    window.removeEventListener('storage', onStorage)
  })
  return { session, state, look }
}
