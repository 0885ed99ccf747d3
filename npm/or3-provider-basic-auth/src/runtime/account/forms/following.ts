import { onMounted, onScopeDispose } from 'vue'

/** useFollowing polls while a component is mounted and its page visible, and at once when the user comes back. */
export function useFollowing(look: () => unknown, everyMs = 15_000): void {
  const seen = () => void (document.visibilityState === 'visible' && look())
  let timer: ReturnType<typeof setInterval> | undefined
  onMounted(() => {
    timer = setInterval(seen, everyMs)
    addEventListener('focus', seen)
    document.addEventListener('visibilitychange', seen)
  })
  onScopeDispose(() => {
    clearInterval(timer)
    removeEventListener('focus', seen)
    document.removeEventListener('visibilitychange', seen)
  })
}
