// Packs what an operator installs, the three provider packages, or3-cloud-engine and the program for this system, and
// the library that the page of the host is an app of.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const release = fileURLToPath(new URL('../../or3-cloud-engine/scripts/release.mjs', import.meta.url))
const names = [
  'or3-provider-basic-auth',
  'or3-provider-sqlite',
  'or3-provider-fs',
  'or3-cloud-engine',
  'or3-cloud-client',
  `@or3-cloud/${process.platform}-${process.arch}`,
]
/** Go's names of processors by Node's. */
const processors = { x64: 'amd64', arm64: 'arm64' }

/** Puts the tarballs into a folder. The packages have to be built; program is an or3-cloud for this system. */
export function pack(program, out) {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'or3-pack-'))
  const [binaries, packages] = [join(work, 'binaries'), join(work, 'packages')]
  try {
    mkdirSync(binaries)
    copyFileSync(program, join(binaries, `or3-cloud-${process.platform}-${processors[process.arch]}`))
    execFileSync(process.execPath, [release, binaries, packages], { stdio: 'inherit' })
    for (const name of names) {
      const options = { cwd: join(packages, name), stdio: ['ignore', 'ignore', 'inherit'] }
      execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out], options)
    }
  }
  finally {
    rmSync(work, { recursive: true, force: true })
  }
}
