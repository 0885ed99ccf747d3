import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the program whose stores have a clock that tests move. */
    clocked: string
  }
}

/** Builds the program of the schedules, once for all tests. OR3_TEST_CLOCKED names one that is built already. */
export default function setup({ provide }: TestProject): () => void {
  const built = process.env.OR3_TEST_CLOCKED
  if (built) {
    provide('clocked', built)
    return () => undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'or3-clocked-'))
  const path = join(folder, 'clocked')
  execFileSync('go', ['build', '-o', path, './e2e/clocked'], { cwd: fileURLToPath(new URL('../../../..', import.meta.url)), stdio: 'inherit' })
  provide('clocked', path)
  return () => rmSync(folder, { recursive: true, force: true })
}
