// Pages that are built of this library, in the machine's Chromium.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type Page } from 'playwright'
import { build } from 'vite'
import { onTestFinished } from 'vitest'
import { remove } from '../../or3-cloud-engine/test/folders.js'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** Builds a page as its own build does, with the library of this folder, and returns where it is. */
export async function buildPage(folder: string): Promise<string> {
  const out = mkdtempSync(join(tmpdir(), 'or3-page-'))
  onTestFinished(() => remove(out))
  await build({
    root: folder.startsWith('/') ? folder : path(folder),
    logLevel: 'error',
    resolve: { alias: { 'or3-cloud-client': path('../src/index.ts'), 'dexie': createRequire(import.meta.url).resolve('dexie/dist/dexie.mjs') } },
    build: { outDir: out, emptyOutDir: true },
  })
  return out
}

/** Makes a page of a code block of the README, as a new project of Vite has it. */
export function pageOfReadme(beginning: string): string {
  const readme = readFileSync(path('../README.md'), 'utf8')
  const code = readme.match(/```ts\n[^]*?```/g)?.map(block => block.slice('```ts\n'.length, -'```'.length)).find(block => block.startsWith(beginning))
  if (!code) throw new Error(`the README has no code that begins ${beginning}`)
  const folder = mkdtempSync(join(tmpdir(), 'or3-readme-'))
  onTestFinished(() => remove(folder))
  writeFileSync(join(folder, 'main.ts'), code)
  writeFileSync(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/main.ts"></script></body>')
  return folder
}

/** The machine's Chromium, until the test ends. */
export async function browser(): Promise<Browser> {
  const started = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  onTestFinished(() => started.close())
  return started
}

/** What a page has said is wrong; it has to be nothing. */
export function complaints(page: Page): string[] {
  const said: string[] = []
  page.on('pageerror', error => said.push(error.message))
  page.on('console', message => message.type() === 'error' && !message.text().includes('Failed to load resource') && said.push(message.text()))
  return said
}
