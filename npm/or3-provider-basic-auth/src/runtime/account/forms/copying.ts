import { ref, type Ref } from 'vue'

/**
 * useCopying copies a text, or selects it for copying by hand: browsers deny pages without HTTPS the clipboard.
 */
export function useCopying(words: { copied: string, byHand: string }, source: Readonly<Ref<HTMLElement | null>>) {
  const result = ref('')

  async function copy(text: string) {
    try {
      await navigator.clipboard.writeText(text)
      result.value = words.copied
    }
    catch {
      if (source.value) getSelection()?.selectAllChildren(source.value)
      result.value = words.byHand
    }
  }

  return { result, copy }
}
