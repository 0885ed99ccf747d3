// Tests what is published: the packed package in an empty Nuxt host, which is prepared with and without it at work.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import assert from 'node:assert/strict'

const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'))
const host = mkdtempSync(join(tmpdir(), 'or3-host-'))

function run(command, args, { cwd = host, env = {} } = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return stdout + stderr
}

/** prepare returns what the module has said. */
const prepare = env => run('npx', ['nuxt', 'prepare'], { env: { NODE_ENV: 'production', ...env } })

const kept = /OR3 Cloud keeps the files/
const lost = /sync is off/

try {
  cpSync('test/host', host, { recursive: true, filter: path => !/node_modules|\.nuxt|\.output/.test(path) })
  for (const folder of ['.', '../or3-cloud-engine']) {
    run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', host], { cwd: folder })
  }
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', `./or3-cloud-engine-${version}.tgz`, `./${name}-${version}.tgz`])

  const entry = `import(${JSON.stringify(`${name}/nuxt`)}).then(async ({ default: module }) => console.log((await module.getMeta()).name))`
  assert.equal(run('node', ['--input-type=module', '--eval', entry]).trim(), name)

  for (const env of [{ OR3_SYNC_ENABLED: 'true' }, { OR3_STORAGE_ENABLED: 'true', NUXT_PUBLIC_STORAGE_PROVIDER: 's3' }]) {
    const said = prepare(env)
    assert.doesNotMatch(said, kept)
    assert.doesNotMatch(said, lost)
  }
  const ours = { OR3_STORAGE_ENABLED: 'true', NUXT_PUBLIC_STORAGE_PROVIDER: 'fs' }
  assert.match(prepare(ours), lost)
  assert.doesNotMatch(prepare(ours), kept)
  const said = prepare({ ...ours, OR3_SYNC_ENABLED: 'true', OR3_CLOUD_CLIENT: 'true' })
  assert.match(said, kept)
  assert.doesNotMatch(said, lost)
  process.stdout.write(`${name}: the packed package works in an empty host\n`)
}
finally {
  rmSync(host, { recursive: true, force: true })
}
