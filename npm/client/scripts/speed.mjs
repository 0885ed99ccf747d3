// Measures in Chromium what the library costs: npm run speed --workspace or3-cloud-client -- [ROWS]. Figures are worth
// something on a machine that does nothing else. Fails if a target is clearly missed: in three quarters of the turns.
// OR3_TEST_PROGRAM names the program; without it, it is built.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright'
import { build } from 'vite'

const rows = Number(process.argv[2] ?? 100_000)
const [email, password] = ['ann@example.test', 'Correct-Horse-9-Battery']
const folder = mkdtempSync(join(tmpdir(), 'or3-speed-'))
const port = 20_000 + process.pid % 20_000
const url = `http://127.0.0.1:${port}`

await build({
  root: fileURLToPath(new URL('../speed', import.meta.url)),
  logLevel: 'error',
  resolve: { alias: { dexie: createRequire(import.meta.url).resolve('dexie/dist/dexie.mjs') } },
  build: { outDir: join(folder, 'page'), target: 'es2022' },
})
let program = process.env.OR3_TEST_PROGRAM
if (!program) {
  program = join(folder, 'or3-cloud')
  execFileSync('go', ['build', '-o', program, './cmd/or3-cloud'], { cwd: fileURLToPath(new URL('../../..', import.meta.url)), stdio: 'inherit' })
}
const unlimited = Object.fromEntries(['sync:push', 'sync:pull', 'sync:snapshot'].map(name => [name, { windowMs: 60_000, maxRequests: 1_000_000 }]))
const server = spawn(program, ['serve', '--addr', url.slice(7), '--web', join(folder, 'page')], {
  cwd: folder,
  stdio: ['ignore', 'ignore', 'inherit'],
  env: {
    PATH: process.env.PATH,
    OR3_LOG_LEVEL: 'error',
    OR3_BASIC_AUTH_BOOTSTRAP_EMAIL: email,
    OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD: password,
    OR3_RATE_LIMIT_OVERRIDES_JSON: JSON.stringify(unlimited),
  },
})
const cell = (text, n = 10) => text.padStart(n)
const milliseconds = n => cell(`${n.toFixed(n < 100 ? 3 : 0)} ms`, 12)
let browser
try {
  while (!await fetch(`${url}/api/health/ready`).then(r => r.ok, () => false)) await new Promise(resolve => setTimeout(resolve, 50))
  // With a profile on the disk, as people have it.
  browser = await chromium.launchPersistentContext(join(folder, 'profile'), { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  const page = browser.pages()[0] ?? await browser.newPage()
  await page.goto(url)
  process.stdout.write(`${''.padEnd(46)}${cell('Dexie alone', 12)}${cell('synced', 12)}${cell('ratio')}${cell('target')}\n`)
  for (const { name, alone, synced, ratio, surely, target } of await page.evaluate(given => globalThis.measure(...given), [email, password, rows])) {
    const verdict = target === undefined ? '' : ratio <= target ? 'met' : surely <= target ? 'not sure' : 'MISSED'
    process.stdout.write(`${name.padEnd(46)}${milliseconds(alone)}${milliseconds(synced)}${cell(ratio.toFixed(3))}${cell(target ? `≤ ${target}` : '')}  ${verdict}\n`)
    if (verdict === 'MISSED') process.exitCode = 1
  }
}
finally {
  await browser?.close()
  const ended = once(server, 'exit')
  server.kill()
  await ended
  rmSync(folder, { recursive: true, force: true })
}
