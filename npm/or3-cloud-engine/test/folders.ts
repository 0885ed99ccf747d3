// Folders that an engine works in, for the tests of all packages.
import { existsSync, rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** Waits until a condition holds; the limit of the test ends what never does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(10)
}

/** Removes a folder, however long an engine that is ending still writes there. */
export async function remove(folder: string): Promise<void> {
  await until(() => {
    try {
      rmSync(folder, { recursive: true, force: true })
    }
    catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY')) throw error
    }
    return !existsSync(folder)
  })
}
