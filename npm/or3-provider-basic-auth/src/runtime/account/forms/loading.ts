import { onScopeDispose, ref, shallowRef } from 'vue'
import { isOr3Error } from '../api/error'
import type { errorWords } from '../messages/en/errors'
import { errorText } from '../messages/errors'
import type { Text } from '../messages/text'

/**
 * useLoading loads data from the server, at once and whenever `load` is called. The data stays until
 * newer data arrives. A newer request replaces one that is still waiting, so that an old response never
 * replaces a new one. `failed` is the beginning of error messages.
 */
export function useLoading<T>(t: Text<typeof errorWords>, failed: string, get: (signal: AbortSignal) => Promise<T>) {
  const loaded = shallowRef<T | null>(null)
  const problem = ref('')

  let abort = new AbortController()
  onScopeDispose(() => abort.abort())

  /** Loading in the background is quiet: it keeps what is shown until new data arrives, and ignores errors. */
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
