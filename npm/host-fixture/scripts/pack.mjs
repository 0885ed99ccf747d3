// Packs what an operator installs: the three provider packages, or3-cloud-engine and the program for this system.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const npm = fileURLToPath(new URL('../..', import.meta.url))
const providers = ['or3-provider-basic-auth', 'or3-provider-sqlite', 'or3-provider-fs']
const goNames = { x64: 'amd64', arm64: 'arm64' }

/** The packages have to be built. program is the path of an or3-cloud for this system. */
export function pack(program, out) {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'or3-pack-'))
  try {
    const binaries = join(work, 'binaries')
    mkdirSync(binaries)
    copyFileSync(program, join(binaries, `or3-cloud-${process.platform}-${goNames[process.arch]}`))
    const engine = join(npm, 'or3-cloud-engine')
    execFileSync('node', ['scripts/release.mjs', binaries, join(work, 'release')], { cwd: engine, stdio: 'inherit' })
    const { name } = JSON.parse(readFileSync(join(engine, 'package.json'), 'utf8'))
    const folders = [
      ...providers.map(provider => join(npm, provider)),
      join(work, 'release', name),
      join(work, 'release', `@or3-cloud/${process.platform}-${process.arch}`),
    ]
    for (const folder of folders) {
      execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
    }
  }
  finally {
    rmSync(work, { recursive: true, force: true })
  }
}
