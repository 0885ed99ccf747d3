import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the real program. */
    program: string
  }
}

/** Builds a program of this repository, unless the environment variable names one that is built already. */
export function build(source: string, variable: string): { path: string, remove: () => void } {
  const built = process.env[variable]
  if (built) return { path: built, remove: () => undefined }
  const folder = mkdtempSync(join(tmpdir(), 'or3-program-'))
  const path = join(folder, basename(source))
  execFileSync('go', ['build', '-o', path, source], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    stdio: 'inherit',
  })
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Has the program for all tests. */
export default function setup({ provide }: TestProject): () => void {
  const { path, remove } = build('./cmd/or3-cloud', 'OR3_TEST_PROGRAM')
  provide('program', path)
  return remove
}
