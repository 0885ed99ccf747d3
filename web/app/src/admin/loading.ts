import { onScopeDispose, shallowReactive } from 'vue'
import { messageFor } from './client'

export interface Data<T> {
  data: T | null
  problem: string
  busy: boolean
  load: () => Promise<void>
}

/**
 * useData loads data from the server, at once and whenever `load` is called. The data stays until newer data
 * arrives.
 */
export function useData<T>(get: (signal: AbortSignal) => Promise<T>): Data<T> {
  let abort = new AbortController()
  onScopeDispose(() => abort.abort())
  const state: Data<T> = shallowReactive({ data: null as T | null, problem: '', busy: false, load })

  async function load() {
    abort.abort()
    const mine = abort = new AbortController()
    state.busy = true
    try {
      const data = await get(mine.signal)
      if (mine.signal.aborted) return
      state.data = data
      state.problem = ''
    }
    catch (error) {
      if (mine.signal.aborted) return
      state.problem = messageFor(error)
    }
    state.busy = false
  }

  void load()
  return state
}

/** useRefreshed reloads at intervals while the page is visible. */
export function useRefreshed(state: Pick<Data<unknown>, 'load' | 'busy'>, everyMs: number) {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible' && !state.busy) void state.load()
  }, everyMs)
  onScopeDispose(() => clearInterval(timer))
}

export interface Pages<T> {
  items: T[] | null
  next: string
  problem: string
  busy: boolean
  load: () => Promise<void>
  more: () => Promise<void>
}

/**
 * How many entries a page should have, and how many requests may be made for them: what one request looks at is
 * limited.
 */
const enough = 20
const mostQuestions = 60

/** usePages loads a list page by page. `load` starts over, `more` adds the next page. */
export function usePages<T>(get: (cursor: string, signal: AbortSignal) => Promise<{ items: T[], next?: string }>): Pages<T> {
  let abort = new AbortController()
  onScopeDispose(() => abort.abort())
  const state: Pages<T> = shallowReactive({ items: null as T[] | null, next: '', problem: '', busy: false, load, more })

  async function read(before: T[], from: string) {
    abort.abort()
    const mine = abort = new AbortController()
    state.busy = true
    state.problem = ''
    try {
      let items = before, cursor = from
      for (let asked = 0; asked < mostQuestions; asked++) {
        const page = await get(cursor, mine.signal)
        if (mine.signal.aborted) return
        items = [...items, ...page.items]
        cursor = page.next ?? ''
        if (!cursor || items.length - before.length >= enough) break
      }
      state.items = items
      state.next = cursor
    }
    catch (error) {
      if (mine.signal.aborted) return
      state.problem = messageFor(error)
    }
    state.busy = false
  }

  function load() {
    return read([], '')
  }

  async function more() {
    if (!state.busy && state.next) await read(state.items ?? [], state.next)
  }

  void load()
  return state
}

export interface Action {
  notice: string
  problem: string
  /** The name of the running action; empty if there is none. */
  busy: string
  run: (what: string, call: () => Promise<string>) => Promise<boolean>
}

/** useAction runs one action at a time, and shows its result: the text that `call` returns. */
export function useAction(): Action {
  const state: Action = shallowReactive({ notice: '', problem: '', busy: '', run })

  async function run(what: string, call: () => Promise<string>) {
    if (state.busy) return false
    state.busy = what
    state.notice = state.problem = ''
    try {
      state.notice = await call()
      return true
    }
    catch (error) {
      state.problem = messageFor(error)
      return false
    }
    finally {
      state.busy = ''
    }
  }

  return state
}
