import { inject, onScopeDispose, provide, shallowReactive, watch, type InjectionKey } from 'vue'

/** What is lost when a dialog closes: codes that are shown once, an unfinished set-up, or typed text. */
export type Loss = 'codes' | 'setUp' | 'typed'

type Held = () => Loss | null

const holdKey: InjectionKey<(held: Held) => () => void> = Symbol('or3 dialog hold')

const ask = (event: BeforeUnloadEvent) => event.preventDefault()

/** askBeforeLeaving makes the browser ask, too, before the user leaves the page with something to lose. */
function askBeforeLeaving(held: () => boolean) {
  watch(held, (now) => {
    if (now) addEventListener('beforeunload', ask)
    else removeEventListener('beforeunload', ask)
  }, { immediate: true, flush: 'sync' })
  onScopeDispose(() => removeEventListener('beforeunload', ask))
}

/** useHold keeps the dialog around a component open until the user agrees to lose what `held` names. */
export function useHold(held: Held) {
  const release = inject(holdKey, null)?.(held)
  if (release) onScopeDispose(release)
  askBeforeLeaving(() => held() !== null)
}

/** useHolds is the dialog's side of useHold: it returns the worst of what would be lost. */
export function useHolds(): Held {
  const holds = shallowReactive(new Set<Held>())
  provide(holdKey, (held) => {
    holds.add(held)
    return () => holds.delete(held)
  })
  return () => {
    const all = [...holds].map(held => held())
    return all.includes('codes') ? 'codes' : all.find(Boolean) ?? null
  }
}

/** useTyping watches what is typed into the fields of a dialog, without help from its forms. */
export function useTyping() {
  const before = new Map<HTMLInputElement, string>()

  function see({ target }: FocusEvent) {
    if (target instanceof HTMLInputElement && !target.readOnly && !before.has(target)) before.set(target, target.value)
  }

  /** typedIn reports whether the user has typed something new into the fields of a part of the dialog. */
  function typedIn(part: Element | null | undefined) {
    return [...before].some(([field, value]) => part?.contains(field) && field.value !== '' && field.value !== value)
  }

  return { see, typedIn }
}
