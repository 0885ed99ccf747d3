// Measures in Chromium what the library costs: npm run speed --workspace or3-cloud-client [ROWS]. Figures are worth something
// on a machine that does nothing else. OR3_TEST_PROGRAM names the program.
import { spawn } from 'node:child_process'
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
const unlimited = Object.fromEntries(['sync:push', 'sync:pull', 'sync:snapshot'].map(name => [name, { windowMs: 60_000, maxRequests: 1_000_000 }]))
const server = spawn(process.env.OR3_TEST_PROGRAM, ['serve', '--addr', url.slice(7), '--web', join(folder, 'page')], {
  cwd: folder,
  stdio: ['ignore', 'ignore', 'inherit'],
  env: {
    PATH: process.env.PATH,
    OR3_BASIC_AUTH_BOOTSTRAP_EMAIL: email,
    OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD: password,
    OR3_RATE_LIMIT_OVERRIDES_JSON: JSON.stringify(unlimited),
  },
})
let browser
try {
  while (!await fetch(`${url}/api/health/ready`).then(r => r.ok, () => false)) await new Promise(resolve => setTimeout(resolve, 50))
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  const page = await browser.newPage()
  await page.goto(url)
  for (const { name, unit, alone, synced } of await page.evaluate(given => globalThis.measure(...given), [email, password, rows]))
    process.stdout.write(`${name}: ${alone.toFixed(3)} ${unit} alone, ${synced.toFixed(3)} ${unit} synced, ratio ${(synced / alone).toFixed(3)}\n`)
}
finally {
  await browser?.close()
  server.kill()
  rmSync(folder, { recursive: true, force: true })
}
