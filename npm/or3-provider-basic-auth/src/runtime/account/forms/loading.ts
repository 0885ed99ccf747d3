import { onScopeDispose, ref, shallowRef } from 'vue'
import { isOr3Error } from '../api/error'
import type { errorWords } from '../messages/en/errors'
import { errorText } from '../messages/errors'
import type { Text } from '../messages/text'

/**
 * useLoading gets something from the server, at once and whenever `load` is called. What was loaded stays until
 * something newer has come. A newer look takes the place of one that is still waiting, so that an old answer never
 * replaces a new one. `failed` stands before what went wrong.
 */
export function useLoading<T>(t: Text<typeof errorWords>, failed: string, get: (signal: AbortSignal) => Promise<T>) {
  const loaded = shallowRef<T | null>(null)
  const problem = ref('')

  let abort = new AbortController()
  onScopeDispose(() => abort.abort())

  /** A look in the background is quiet: it leaves what is shown until it knows better, and ignores a failure. */
  async function load(quiet = false) {
    abort.abort()
    abort = new AbortController()
    if (!quiet) problem.value = ''
    try {
      loaded.value = await get(abort.signal)
      problem.value = ''
    }
    catch (error) {
      if (!quiet && !isOr3Error(error, 'cancelled')) problem.value = `${failed} ${errorText(t, error)}`
    }
  }

  void load()
  return { loaded, problem, load }
}

export type Loading = ReturnType<typeof useLoading<unknown>>
