import { nextTick, onScopeDispose, reactive, ref, shallowRef, watch } from 'vue'
import { isOr3Error, type Or3ErrorCode } from '../api/error'
import { errorText } from '../messages/errors'
import type { errorWords } from '../messages/en/errors'
import type { Text } from '../messages/text'
import { bringIntoView } from './view'

export interface SubmissionSettings<Field extends string> {
  t: Text<typeof errorWords>
  /** Errors that the page finds itself, by field; nothing is sent while there are any. */
  validate?: () => Partial<Record<Field, string | false>>
  send: () => Promise<void>
  /** The field that a code belongs to, if the server does not name it. */
  fieldOf?: Partial<Record<Or3ErrorCode, Field>>
  /** Better words for a code in this form. */
  words?: Partial<Record<Or3ErrorCode, string>>
  /** The names of this form's fields in the server's answers, where they differ. */
  names?: Partial<Record<string, Field>>
  fields: readonly Field[]
}

/**
 * useSubmission submits a form, one request at a time, and shows errors where they belong: under a field or above all
 * fields.
 */
export function useSubmission<Field extends string>(settings: SubmissionSettings<Field>) {
  const { t, fields } = settings
  /** For the form's `ref`: the first field with an error in it gets the focus. */
  const form = shallowRef<HTMLFormElement | null>(null)
  const busy = ref(false)
  const problem = ref('')
  const wait = ref(0)
  const errors = reactive<Record<string, string>>({})
  const failure = shallowRef<unknown>(null)
  let countdown: ReturnType<typeof setInterval> | undefined

  // The server's message stays until something is typed or sent: an extra Enter must not hide it.
  let answered = false
  const typed = () => {
    answered = false
  }
  watch(form, (now, before) => {
    before?.removeEventListener('input', typed)
    now?.addEventListener('input', typed)
  })

  const stopCountdown = () => clearInterval(countdown)
  onScopeDispose(stopCountdown)

  function clear() {
    stopCountdown()
    wait.value = 0
    problem.value = ''
    failure.value = null
    answered = false
    for (const field of fields) errors[field] = ''
  }

  async function focus(field: Field) {
    await nextTick()
    const input = form.value?.querySelector<HTMLElement>(`[name="${field}"]`)
    input?.focus()
    // The error is shown below the field.
    for (const id of input?.getAttribute('aria-describedby')?.split(' ') ?? []) bringIntoView(document.getElementById(id))
    bringIntoView(input)
  }

  async function focusFault() {
    const first = fields.find(field => errors[field])
    if (first) await focus(first)
  }

  /** A rate limit counts down visibly; the form becomes usable again automatically. */
  function limit(error: unknown, seconds: number) {
    wait.value = seconds
    countdown = setInterval(() => {
      wait.value -= 1
      problem.value = wait.value > 0 ? errorText(t, error, wait.value) : ''
      if (wait.value <= 0) stopCountdown()
    }, 1000)
  }

  async function show(error: unknown) {
    if (isOr3Error(error, 'cancelled')) return
    failure.value = error
    answered = true
    const code = isOr3Error(error) ? error.code : 'unexpected'
    const text = settings.words?.[code] ?? errorText(t, error)
    const named = isOr3Error(error) ? error.details.field : undefined
    const field = settings.fieldOf?.[code] ?? fields.find(name => name === named) ?? (named ? settings.names?.[named] : undefined)
    await nextTick() // a failure may take its field away
    if (field && form.value?.querySelector(`[name="${field}"]`)) {
      errors[field] = text
      return focusFault()
    }
    problem.value = text
    if (isOr3Error(error, 'rate_limited') && error.retryAfter > 0) limit(error, error.retryAfter)
  }

  async function submit() {
    if (busy.value || wait.value > 0) return
    const faults: Partial<Record<Field, string | false>> = settings.validate?.() ?? {}
    const first = fields.find(field => faults[field])
    if (first && answered) return focus(first)
    clear()
    for (const field of fields) errors[field] = faults[field] || ''
    if (first) return focus(first)
    busy.value = true
    try {
      await settings.send()
    }
    catch (error) {
      await show(error)
    }
    finally {
      busy.value = false
    }
  }

  clear()
  return { form, busy, problem, wait, errors, failure, submit, show, clear, focus }
}

export type Submission = ReturnType<typeof useSubmission>
