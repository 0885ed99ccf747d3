// Tests what is published: the packed package in an empty Nuxt host, type-checked, built, started, and looked at in
// Chromium.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import assert from 'node:assert/strict'
import { chromium } from 'playwright'

const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'))
const tarball = `./${name}-${version}.tgz`
const host = mkdtempSync(join(tmpdir(), 'or3-host-'))

// No promise is behind this limit, in milliseconds: it ends what would hang, on a machine however busy.
const patience = 300_000

function run(command, args, cwd = host) {
  const started = Date.now()
  process.stdout.write(`${command} ${args.join(' ')}\n`)
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  assert.equal(status, 0, `${command} ${args.join(' ')} failed`)
  process.stdout.write(`  ${((Date.now() - started) / 1000).toFixed(0)} s\n`)
}

/** The host is started once per configuration, on a port that is free now. */
async function withHost(env, visit) {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  const server = spawn('node', ['.output/server/index.mjs'], {
    cwd: host,
    env: { ...process.env, ...env, PORT: String(port), HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(server, 'close')
  try {
    await Promise.race([once(server.stdout, 'data'), ended.then(() => assert.fail('the host did not start'))])
    await visit(`http://127.0.0.1:${port}/`)
  }
  finally {
    server.kill()
    await ended
  }
}

/** What a page asked for and said, besides loading itself. */
async function observe(browser, url, act) {
  const page = await browser.newPage()
  page.setDefaultTimeout(patience)
  const asked = []
  const said = []
  page.on('request', (request) => {
    if (!['document', 'script', 'stylesheet'].includes(request.resourceType())) asked.push(`${request.method()} ${new URL(request.url()).pathname}`)
  })
  page.on('console', message => said.push(message.text()))
  page.on('pageerror', error => said.push(String(error)))
  await page.goto(url, { waitUntil: 'networkidle' })
  await act(page)
  await page.close()
  return { said, asked: asked.filter(path => path.includes('/api/auth') || path.includes('/api/basic-auth')) }
}

async function notOurs(browser, env) {
  await withHost(env, async (url) => {
    const { asked, said } = await observe(browser, url, async (page) => {
      assert.equal(await page.getByRole('banner').innerText(), '')
      assert.equal((await page.getByRole('main').innerText()).trim(), 'An empty host')
      assert.equal(await page.getByRole('button').count(), 0)
    })
    assert.deepEqual({ asked, said }, { asked: [], said: [] })
  })
}

async function ours(browser) {
  await withHost({ NUXT_PUBLIC_SSR_AUTH_ENABLED: 'true', NUXT_PUBLIC_AUTH_PROVIDER: 'basic-auth' }, async (url) => {
    const { said } = await observe(browser, url, async (page) => {
      await page.getByText('No one is here.').waitFor()
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByLabel('E-mail').fill('ann@example.org')
      await page.getByLabel('Password', { exact: true }).fill('a long sentence')
      await page.keyboard.press('Enter')
      await page.getByText('Someone is here.').waitFor()
      await page.getByRole('button', { name: 'Account: Ann Lee' }).click()
      await page.getByRole('menuitem', { name: 'Sign out' }).click()
      await page.getByText('No one is here.').waitFor()
      await page.locator('html[data-cleaned]').waitFor()
    })
    // Chromium itself reports the configuration that this host does not have.
    assert.deepEqual(said.filter(text => !text.includes('404')), [])
  })
}

try {
  cpSync('test/host', host, { recursive: true, filter: path => !/node_modules|\.nuxt|\.output/.test(path) })
  for (const folder of ['.', '../or3-cloud-engine']) run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', host], folder)
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', `./or3-cloud-engine-${version}.tgz`, tarball])
  run('npx', ['nuxt', 'prepare'])
  run('npx', ['vue-tsc', '-b', '--noEmit'])
  run('npx', ['nuxt', 'build', '--logLevel', 'silent'])
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
  try {
    await notOurs(browser, { NUXT_PUBLIC_SSR_AUTH_ENABLED: 'false' })
    await notOurs(browser, { NUXT_PUBLIC_SSR_AUTH_ENABLED: 'true', NUXT_PUBLIC_AUTH_PROVIDER: 'clerk' })
    await ours(browser)
  }
  finally {
    await browser.close()
  }
  process.stdout.write('the packed package works in an empty host\n')
}
finally {
  rmSync(host, { recursive: true, force: true })
}
