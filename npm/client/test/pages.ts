// Pages that are built of this library, in the machine's Chromium.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type Page } from 'playwright'
import { createServer } from 'vite'
import { onTestFinished } from 'vitest'
import { remove } from '../../or3-cloud-engine/test/folders.js'
import { alias, buildPage } from '../matrix/build.js'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

type AtEnd = (work: () => Promise<void>) => void

/** Builds a page until the end of the test, or of something else, and returns where it is. */
export async function pageOf(folder: string, atEnd: AtEnd = onTestFinished): Promise<string> {
  const out = mkdtempSync(join(tmpdir(), 'or3-page-'))
  atEnd(() => remove(out))
  await buildPage(path(folder), out)
  return out
}

/** Does what the README tells a newcomer, with a server elsewhere, and returns where Vite serves the page. */
export async function followReadme(server: string): Promise<string> {
  const readme = readFileSync(path('../README.md'), 'utf8')
  const blocks = [...readme.matchAll(/```ts\n([^]*?)```/g)].map(found => found[1]!)
  const code = (beginning: string): string => {
    const block = blocks.find(b => b.startsWith(beginning))
    if (!block) throw new Error(`the README has no code that begins ${beginning}`)
    return block
  }
  const folder = mkdtempSync(join(tmpdir(), 'or3-readme-'))
  onTestFinished(() => remove(folder))
  writeFileSync(join(folder, 'vite.config.ts'), code('export default').replace('http://127.0.0.1:3000', server))
  writeFileSync(join(folder, 'main.ts'), code('import { Dexie, liveQuery'))
  writeFileSync(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/main.ts"></script></body>')
  const vite = await createServer({ root: folder, logLevel: 'error', resolve: { alias }, server: { fs: { strict: false } } })
  onTestFinished(() => vite.close())
  await vite.listen()
  return vite.resolvedUrls!.local[0]!
}

/** The machine's Chromium, until the end of the test, or of something else. */
export async function browser(atEnd: AtEnd = onTestFinished): Promise<Browser> {
  const started = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  atEnd(() => started.close())
  return started
}

/** What a page has said is wrong; it has to be nothing. */
export function complaints(page: Page): string[] {
  const said: string[] = []
  page.on('pageerror', error => said.push(error.message))
  page.on('console', message => message.type() === 'error' && !message.text().includes('Failed to load resource') && said.push(message.text()))
  return said
}
