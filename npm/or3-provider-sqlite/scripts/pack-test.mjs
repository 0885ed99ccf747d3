// Tests what is published: the packed package in an empty Nuxt host, which is built with and without it at work.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import assert from 'node:assert/strict'

const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'))
const host = mkdtempSync(join(tmpdir(), 'or3-host-'))
const shell = join(host, '.output/public/200.html')

function run(command, args, { cwd = host, env = {} } = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return stdout + stderr
}

/** build returns what the build has said. */
const build = env => run('npx', ['nuxt', 'build'], { env })

try {
  cpSync('test/host', host, { recursive: true, filter: path => !/node_modules|\.nuxt|\.output/.test(path) })
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', host], { cwd: process.cwd() })
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', `./${name}-${version}.tgz`])

  const entry = `import(${JSON.stringify(`${name}/nuxt`)}).then(async ({ default: module }) => console.log((await module.getMeta()).name))`
  assert.equal(run('node', ['--input-type=module', '--eval', entry]).trim(), name)

  for (const env of [{}, { OR3_SYNC_ENABLED: 'true', OR3_SYNC_PROVIDER: 'convex' }]) {
    assert.doesNotMatch(build(env), /or3-cloud/)
    assert.ok(!existsSync(shell), 'a build with another provider has a page for OR3 Cloud')
  }
  assert.match(build({ OR3_SYNC_ENABLED: 'true', OR3_SYNC_PROVIDER: 'sqlite' }), /serve the public folder of this build with or3-cloud serve --web/)
  assert.match(readFileSync(shell, 'utf8'), /<div id="__nuxt"><\/div>/, 'the shell holds a rendered page')
  process.stdout.write(`${name}: the packed package works in an empty host\n`)
}
finally {
  rmSync(host, { recursive: true, force: true })
}
