// Builds the Nuxt host of npm/host-fixture with the packages as they are published, for the comparison of hosts:
//   node nuxt.mjs PROGRAM FOLDER
// PROGRAM is an or3-cloud for this system; the host comes to be in FOLDER.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assemble, install, run } from '../npm/host-fixture/scripts/assemble.mjs'
import { pack } from '../npm/host-fixture/scripts/pack.mjs'
import { settings } from '../npm/host-fixture/scripts/settings.mjs'

const pair = 'newest'
const [program, folder] = process.argv.slice(2)
const [host, packages] = ['host', 'packages'].map(name => join(folder, name))

execFileSync('npm', ['run', '--silent', 'build', '--workspaces', '--if-present'], {
  cwd: fileURLToPath(new URL('../npm', import.meta.url)), stdio: 'inherit',
})
assemble(pair, host)
pack(program, packages)
install(pair, host, packages, program)
run(host, 'nuxt', ['build'], settings)
