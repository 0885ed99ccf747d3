import { inject, type InjectionKey } from 'vue'
import { Or3Error, isOr3Error } from './api/error'

/** Prove asks for a new proof by one of the methods; false if the user gave up. */
export type Prove = (methods: string[]) => Promise<boolean>

export const proveKey: InjectionKey<Prove> = Symbol('or3 account proof')

/**
 * useReauthentication wraps a sensitive call: if the server requires a newer proof, a dialog asks the user, and the
 * call is repeated. If the user gives up, it fails with `cancelled`, which forms do not show. Forms know nothing
 * of all this.
 */
export function useReauthentication<Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>): (...args: Args) => Promise<Result> {
  const prove = inject(proveKey)
  return async (...args) => {
    try {
      return await call(...args)
    }
    catch (error) {
      if (!prove || !isOr3Error(error, 'reauthentication_required')) throw error
      if (!await prove(error.details.methods ?? ['password'])) throw new Or3Error('cancelled', { cause: error })
      return call(...args)
    }
  }
}
