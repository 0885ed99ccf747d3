import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the real program. */
    program: string
  }
}

/** Builds the program from this repository, once for all tests. OR3_TEST_PROGRAM names one that is built already. */
export default function setup({ provide }: TestProject): () => void {
  const built = process.env.OR3_TEST_PROGRAM
  if (built) {
    provide('program', built)
    return () => undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'or3-program-'))
  const path = join(folder, 'or3-cloud')
  execFileSync('go', ['build', '-o', path, './cmd/or3-cloud'], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    stdio: 'inherit',
  })
  provide('program', path)
  return () => rmSync(folder, { recursive: true, force: true })
}
