import { nextTick, ref, type Ref } from 'vue'
import { bringIntoView } from './view'

/** The part of a component's root element that useEditing needs. */
interface Root { $el: HTMLElement }

/**
 * useEditing opens a form in place and closes it again. The focus goes into the form, and afterwards back to the
 * button that opened it. `root` is the section in which both are; the button carries `data-edit`, the form is a `form`.
 * The whole form is scrolled into view; if it is taller than the screen, the element with `data-view` is.
 */
export function useEditing(root: Readonly<Ref<Root | null>>) {
  const editing = ref(false)
  const notice = ref('')

  async function open() {
    notice.value = ''
    editing.value = true
    await nextTick()
    const form = root.value?.$el.querySelector('form')
    const field = form?.querySelector<HTMLElement>('input:not([readonly], [tabindex="-1"])')
    field?.focus({ preventScroll: true })
    bringIntoView(form)
    bringIntoView(form?.querySelector('[data-view]') ?? field)
  }

  /** close removes the form; the focus goes back to the button unless something else takes it. */
  async function close(text = '', focus = true) {
    editing.value = false
    notice.value = text
    await nextTick()
    if (!focus) return
    root.value?.$el.querySelector<HTMLElement>('[data-edit]')?.focus()
  }

  return { editing, notice, open, close }
}
