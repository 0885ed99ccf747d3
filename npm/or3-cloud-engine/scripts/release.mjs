// Makes the npm packages of a release: scripts/release.mjs BINARIES OUT
// BINARIES is what scripts/dist has built. OUT gets a folder for each platform package and one for or3-cloud-engine,
// whose optional dependencies are those, in exactly its version. They are not in package.json of the sources, where no
// registry has them yet.
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { platformPackage, programFile } from '../dist/package.js'

/** Go's names of systems (scripts/dist) by Node's. */
const systems = {
  'linux-x64': 'linux-amd64',
  'linux-arm64': 'linux-arm64',
  'linux-arm': 'linux-armv7',
  'linux-ia32': 'linux-386',
  'darwin-x64': 'darwin-amd64',
  'darwin-arm64': 'darwin-arm64',
  'win32-x64': 'windows-amd64.exe',
  'freebsd-x64': 'freebsd-amd64',
  'freebsd-arm64': 'freebsd-arm64',
}

const [binaries, out] = process.argv.slice(2)
if (!binaries || !out) {
  process.stderr.write('usage: scripts/release.mjs BINARIES OUT\n')
  process.exit(2)
}
const home = fileURLToPath(new URL('..', import.meta.url))
const { scripts, devDependencies, ...own } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
const there = new Set(readdirSync(binaries))
const optionalDependencies = {}
rmSync(out, { recursive: true, force: true })

for (const [target, system] of Object.entries(systems)) {
  const file = `or3-cloud-${system}`
  if (!there.has(file)) continue
  const name = platformPackage(target)
  const [os, cpu] = target.split('-')
  const folder = join(out, name)
  mkdirSync(join(folder, 'bin'), { recursive: true })
  copyFileSync(join(binaries, file), join(folder, 'bin', programFile(target)))
  chmodSync(join(folder, 'bin', programFile(target)), 0o755)
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify(
      {
        name,
        version: own.version,
        description: `The program or3-cloud for ${target}.`,
        license: own.license,
        os: [os],
        cpu: [cpu],
        preferUnplugged: true,
        files: ['bin'],
      },
      null,
      2,
    ),
  )
  optionalDependencies[name] = own.version
}
if (Object.keys(optionalDependencies).length === 0) throw new Error(`${binaries} has no program of scripts/dist`)

const folder = join(out, own.name)
cpSync(join(home, 'dist'), join(folder, 'dist'), { recursive: true })
copyFileSync(join(home, 'README.md'), join(folder, 'README.md'))
writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...own, optionalDependencies }, null, 2))
