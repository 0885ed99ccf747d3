// Makes the npm packages of a release: scripts/release.mjs BINARIES OUT
// BINARIES is what scripts/dist has built. OUT gets a folder for each platform package, one for or3-cloud-engine, whose
// optional dependencies are those, in exactly its version (they are not in package.json of the sources, where no
// registry has them yet), one for or3-cloud-client, and two for each provider package: one under its own name, which on
// npmjs.com another package has, and one under a name of ours, for aliases. All of these are built already.
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
const own = published(home)
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
        type: 'module',
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

write(home, own.name, { ...own, optionalDependencies })
const client = join(home, '../client')
write(client, 'or3-cloud-client', published(client))
for (const provider of ['or3-provider-basic-auth', 'or3-provider-fs', 'or3-provider-sqlite']) {
  const source = join(home, '..', provider)
  const manifest = published(source)
  write(source, provider, manifest)
  write(source, `@or3-cloud/${provider}`, { ...manifest, name: `@or3-cloud/${provider}` })
}

/** What a package says of itself to those who install it. */
function published(source) {
  const { scripts, devDependencies, ...manifest } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  return manifest
}

function write(source, name, manifest) {
  const folder = join(out, name)
  cpSync(join(source, 'dist'), join(folder, 'dist'), { recursive: true })
  copyFileSync(join(source, 'README.md'), join(folder, 'README.md'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
}
