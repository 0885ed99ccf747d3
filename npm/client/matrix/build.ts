// Pages that are built of this library.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** The library of this folder, and the one Dexie that a page has. */
export const alias = { 'or3-cloud-client': path('../src/index.ts'), 'dexie': createRequire(import.meta.url).resolve('dexie/dist/dexie.mjs') }

/** Builds a page into a folder. It works below any path. */
export async function buildPage(folder: string, out: string): Promise<void> {
  await build({
    root: folder,
    base: './',
    logLevel: 'error',
    resolve: { alias },
    build: { outDir: out, emptyOutDir: true, target: 'es2022' },
  })
}

/** Builds the page of the matrix. */
export function buildDevice(out: string): Promise<void> {
  return buildPage(path('device'), out)
}
