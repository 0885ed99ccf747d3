import type { TestProject } from 'vitest/node'
import { build } from '../../../or3-cloud-engine/test/program.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the program whose stores have a clock that tests move. */
    clocked: string
  }
}

/** Has the program of the schedules for all tests. */
export default function setup({ provide }: TestProject): () => void {
  const { path, remove } = build('./e2e/clocked', 'OR3_TEST_CLOCKED')
  provide('clocked', path)
  return remove
}
