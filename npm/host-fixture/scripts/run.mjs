// Builds the host on one pair of versions, with the packages as they are published, and tests it:
//   scripts/run.mjs oldest|newest [FOLDER]
// FOLDER keeps the host, so that a second run with it is short: what is there is not made again. OR3_TEST_PROGRAM names
// an or3-cloud that is built already; then the packages are, too.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assemble, forms, install, run } from './assemble.mjs'
import { pack } from './pack.mjs'
import { settings } from './settings.mjs'

const npm = fileURLToPath(new URL('../..', import.meta.url))
const home = join(npm, 'host-fixture')
const [pair, kept] = process.argv.slice(2)
if (!(pair in forms)) {
  process.stderr.write(`usage: scripts/run.mjs ${Object.keys(forms).join('|')} [FOLDER]\n`)
  process.exit(2)
}
const work = kept ? resolve(kept) : mkdtempSync(join(tmpdir(), `or3-host-${pair}-`))
mkdirSync(work, { recursive: true })
const [host, packages, bare] = ['host', 'packages', 'bare'].map(name => join(work, name))

/** The path of the program, which is built if none is given. */
function program() {
  if (process.env.OR3_TEST_PROGRAM) return process.env.OR3_TEST_PROGRAM
  const path = join(work, 'or3-cloud')
  execFileSync('go', ['build', '-o', path, './cmd/or3-cloud'], { cwd: join(npm, '..'), stdio: 'inherit' })
  execFileSync('npm', ['run', '--silent', 'build', '--workspaces', '--if-present'], { cwd: npm, stdio: 'inherit' })
  return path
}

/** Runs a tool of the workspace on the fixture itself. */
function tool(path, args, env = {}) {
  const options = { cwd: home, stdio: 'inherit', env: { ...process.env, ...env } }
  execFileSync(process.execPath, [join(npm, 'node_modules', path), ...args], options)
}

try {
  tool('eslint/bin/eslint.js', ['.'])
  tool('typescript/bin/tsc', ['-p', '.'])
  if (!existsSync(join(work, 'build.log'))) {
    const built = program()
    pack(built, packages)
    assemble(pair, host, packages)
    // First without our providers and without a cloud. What it says is looked at by a test.
    writeFileSync(join(work, 'bare.log'), run(host, 'nuxt', ['build']))
    rmSync(bare, { recursive: true, force: true })
    renameSync(join(host, '.output'), bare)
    install(pair, host, packages, built)
    run(host, 'nuxt', ['prepare'], settings)
    run(host, 'vue-tsc', ['-b', '--noEmit'])
    writeFileSync(join(work, 'build.log'), run(host, 'nuxt', ['build'], settings))
  }
  tool('vitest/vitest.mjs', ['run'], { OR3_FIXTURE: work, OR3_FIXTURE_FORM: forms[pair] })
}
finally {
  if (!kept) rmSync(work, { recursive: true, force: true })
}
