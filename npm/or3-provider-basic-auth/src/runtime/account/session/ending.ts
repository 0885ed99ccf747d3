import { shallowReadonly, shallowRef, type ShallowRef } from 'vue'

/**
 * Why the session of this browser ended, by the server's name for it; any string, since a newer server may have more.
 * Empty if the server did not say.
 */
export type Ending = string

export interface Endings {
  why: Readonly<ShallowRef<Ending>>
  note(why: Ending): void
  /** told is called once the user has read the reason. */
  told(): void
  /** left records that the user has signed out here, and knows what happens to unsent changes. */
  left(): void
  /** meant reports whether the session ended that way. */
  meant(): boolean
  /** clear is called when a user is signed in again. */
  clear(): void
}

const key = 'or3-basic-auth:ended'
const leftKey = 'or3-basic-auth:left'

/**
 * createEndings keeps the reason, which the server sends once, until the user has read it: the host may reload the page
 * when a session ends, and every tab has to show it.
 */
export function createEndings(storage: () => Storage | undefined): Endings {
  const attempt = <T>(what: (storage: Storage) => T) => {
    try {
      const found = storage()
      return found && what(found)
    }
    catch {
      return undefined // storage may be blocked; then only this page knows
    }
  }
  const why = shallowRef(attempt(found => found.getItem(key)) ?? '')
  const told = () => {
    why.value = ''
    attempt(found => found.removeItem(key))
  }
  let here = true
  return {
    why: shallowReadonly(why),
    note(ending) {
      why.value = ending
      attempt(found => found.setItem(key, ending))
    },
    told,
    left() {
      here = false
      attempt(found => found.setItem(leftKey, 'yes'))
    },
    meant: () => !here || attempt(found => found.getItem(leftKey)) === 'yes',
    clear() {
      told()
      here = true
      attempt(found => found.removeItem(leftKey))
    },
  }
}
