// Installs what the matrix uses besides this Node: the package managers, the newer Node, and attw. They
// are not among the dependencies of the workspace, because there npm would run all packages with that Node.
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../tools/', import.meta.url))
const changed = name => statSync(folder + name, { throwIfNoEntry: false })?.mtimeMs ?? 0
if (changed('node_modules/.package-lock.json') < changed('package-lock.json')) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--silent'], { cwd: folder, stdio: 'inherit' })
}
