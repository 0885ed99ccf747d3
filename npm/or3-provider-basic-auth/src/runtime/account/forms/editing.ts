import { nextTick, ref, type Ref } from 'vue'

/** The part of a component's root element that useEditing needs. */
interface Root { $el: HTMLElement }

/**
 * useEditing opens a form in place and takes it away again. The focus goes into the form, and afterwards back to the button that opened it.
 * `root` is the section in which both are; the button carries `data-edit`, the form is a `form`.
 */
export function useEditing(root: Readonly<Ref<Root | null>>) {
  const editing = ref(false)
  const notice = ref('')

  async function open() {
    notice.value = ''
    editing.value = true
    await nextTick()
    root.value?.$el.querySelector<HTMLElement>('form input:not([readonly], [tabindex="-1"])')?.focus()
  }

  async function close(text = '') {
    editing.value = false
    notice.value = text
    await nextTick()
    root.value?.$el.querySelector<HTMLElement>('[data-edit]')?.focus()
  }

  return { editing, notice, open, close }
}
