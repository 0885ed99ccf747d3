// Tests what is published: the packed package in a Nuxt host with the registries that it needs, which is built as a
// server and as a client of or3-cloud, and with another provider.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import assert from 'node:assert/strict'

const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'))
const host = mkdtempSync(join(tmpdir(), 'or3-host-'))
const shell = join(host, '.output/public/200.html')
const server = join(host, '.output/server/index.mjs')

/** What the host has and the package imports. */
const modules = {
  'server/admin/providers/registry': 'registerProviderAdminAdapter',
  'server/admin/stores/registry': 'registerAdminStoreProvider',
  'server/auth/can': 'requireCan',
  'server/auth/deployment-admin': 'registerDeploymentAdminChecker',
  'server/auth/session': 'resolveSessionContext',
  'server/auth/store/registry': 'registerAuthWorkspaceStore',
  'server/sync/gateway/registry': 'registerSyncGatewayAdapter',
  'server/utils/background-jobs/registry': 'registerBackgroundJobProvider',
  'server/utils/notifications/registry': 'registerNotificationEmitter',
  'server/utils/rate-limit/registry': 'registerRateLimitProvider',
}

function run(command, args, { cwd = host, env = {} } = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return stdout + stderr
}

/** build returns what the build has said. */
const build = env => run('npx', ['nuxt', 'build'], { env })

try {
  cpSync('test/host', host, { recursive: true, filter: path => !/node_modules|\.nuxt|\.output/.test(path) })
  for (const [path, member] of Object.entries(modules)) {
    mkdirSync(join(host, dirname(path)), { recursive: true })
    writeFileSync(join(host, `${path}.ts`), `export function ${member}() { return {} }\n`)
  }
  for (const folder of ['.', '../or3-cloud-engine']) {
    run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', host], { cwd: folder })
  }
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', `./or3-cloud-engine-${version}.tgz`, `./${name}-${version}.tgz`])

  const entry = `import(${JSON.stringify(`${name}/nuxt`)}).then(async ({ default: module }) => console.log((await module.getMeta()).name))`
  assert.equal(run('node', ['--input-type=module', '--eval', entry]).trim(), name)

  const other = build({ OR3_SYNC_ENABLED: 'true', OR3_SYNC_PROVIDER: 'convex' })
  assert.doesNotMatch(other, /or3-cloud/)
  assert.ok(!existsSync(shell), 'a build with another provider has a page for OR3 Cloud')
  assert.doesNotMatch(readFileSync(server, 'utf8'), /or3-cloud-engine/)

  const ours = { OR3_SYNC_ENABLED: 'true', OR3_SYNC_PROVIDER: 'sqlite' }
  build(ours)
  assert.ok(!existsSync(shell), 'the build of a server has the page of a client')
  const alone = { ...process.env, PORT: '0' }
  delete alone.OR3_CLOUD_BIN
  delete alone.OR3_CLOUD_URL
  const started = spawnSync('node', [server], { cwd: host, env: alone, encoding: 'utf8', timeout: 300_000 })
  assert.notEqual(started.status, 0, 'a server in production starts without an engine')
  assert.match(started.stdout + started.stderr, /@or3-cloud\//, 'the server does not say which package it lacks')

  assert.match(build({ ...ours, OR3_CLOUD_CLIENT: 'true' }), /serve the public folder of this build with or3-cloud serve --web/)
  assert.match(readFileSync(shell, 'utf8'), /<div id="__nuxt"><\/div>/, 'the shell holds a rendered page')
  process.stdout.write(`${name}: the packed package works in a host\n`)
}
finally {
  rmSync(host, { recursive: true, force: true })
}
