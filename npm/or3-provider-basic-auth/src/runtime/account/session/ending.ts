import { shallowReadonly, shallowRef, type ShallowRef } from 'vue'

/**
 * What has ended the session of this browser, by the server's name for it; open, since a newer server may know more.
 * Empty if it said nothing.
 */
export type Ending = string

export interface Endings {
  why: Readonly<ShallowRef<Ending>>
  note(why: Ending): void
  /** told is called when the user has read it. */
  told(): void
  /** left notes that the user has signed out here, and knows what happens to what was not sent. */
  left(): void
  /** meant says whether it ended that way. */
  meant(): boolean
  /** clear is called when a user is signed in again. */
  clear(): void
}

const key = 'or3-basic-auth:ended'
const leftKey = 'or3-basic-auth:left'

/**
 * createEndings keeps what the server says once until the user has read it: the host may reload the page when a session
 * ends, and every tab has to say it.
 */
export function createEndings(storage: () => Storage | undefined): Endings {
  const attempt = <T>(what: (storage: Storage) => T) => {
    try {
      const found = storage()
      return found && what(found)
    }
    catch {
      return undefined // storage may be forbidden; then this page alone knows
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
