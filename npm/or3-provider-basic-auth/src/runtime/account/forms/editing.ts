import { nextTick, ref, type Ref } from 'vue'
import { bringIntoView } from './view'

/** The part of a component's root element that useEditing needs. */
interface Root { $el: HTMLElement }

/**
 * useEditing opens a form in place and takes it away again. The focus goes into the form, and afterwards back to the
 * button that opened it. `root` is the section in which both are; the button carries `data-edit`, the form is a `form`.
 * All of it is brought into view, and of a form that is longer than the screen what carries `data-view`.
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

  /** close takes the form away; the focus goes to the button again unless something else wants it. */
  async function close(text = '', focus = true) {
    editing.value = false
    notice.value = text
    await nextTick()
    if (!focus) return
    root.value?.$el.querySelector<HTMLElement>('[data-edit]')?.focus()
  }

  return { editing, notice, open, close }
}
