import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import http from 'node:http'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

export interface Registry {
  url: string
  /** The tarball of each package whose version is the newest here, by name. */
  tarballs: Record<string, string>
  /** The newest version of each package. */
  versions: Record<string, string>
  close: () => Promise<void>
}

interface Version {
  manifest: { name: string, version: string }
  file: string
  ours: boolean
}

/**
 * A registry of npm with the packages of these folders; of several versions the first is the newest. Below /npmjs it
 * lacks ours.
 */
export async function registryOf(ours: string[], others: string[], work: string): Promise<Registry> {
  const files = new Map<string, Buffer>()
  const packages = new Map<string, Version[]>()
  const rest = execFileSync('npm', ['config', 'get', 'registry'], { cwd: work, encoding: 'utf8' }).trim().replace(/\/$/, '')
  const folders = [...ours, ...others]
  const packed = execFileSync(
    'npm',
    ['pack', '--silent', '--ignore-scripts', '--pack-destination', work, ...folders],
    { cwd: work, encoding: 'utf8' },
  ).trim().split('\n')
  for (const [at, folder] of folders.entries()) {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Version['manifest']
    const file = packed[at] ?? ''
    files.set(file, readFileSync(join(work, file)))
    packages.set(manifest.name, [...(packages.get(manifest.name) ?? []), { manifest, file, ours: ours.includes(folder) }])
  }
  const described = (url: string, { manifest, file }: Version): object => {
    const tarball = files.get(file) ?? Buffer.alloc(0)
    return {
      ...manifest,
      dist: {
        tarball: `${url}/-/${file}`,
        integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
        shasum: createHash('sha1').update(tarball).digest('hex'),
      },
    }
  }
  const server = http.createServer((request, response) => {
    const [, without, path = ''] = /^\/(npmjs\/)?(.*)$/.exec(decodeURIComponent(request.url ?? '/')) ?? []
    const file = path.startsWith('-/') && files.get(path.slice(2))
    const versions = packages.get(path)?.filter(one => !without || !one.ours)
    const [newest] = versions ?? []
    if (file) {
      response.end(file)
    }
    else if (versions && newest) {
      response.setHeader('content-type', 'application/json').end(
        JSON.stringify({
          'name': path,
          'dist-tags': { latest: newest.manifest.version },
          'versions': Object.fromEntries(
            versions.map(one => [one.manifest.version, described(`http://${request.headers.host}`, one)]),
          ),
        }),
      )
    }
    else if (/^(or3-|@or3-cloud\/)/.test(path)) {
      response.writeHead(404).end('{}')
    }
    else {
      // The package managers go on with what they trust: their proxies, certificates and caches.
      response.writeHead(302, { location: `${rest}/${encodeURI(path)}` }).end()
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const newest = [...packages].flatMap(([name, [first]]) => (first ? [[name, first] as const] : []))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tarballs: Object.fromEntries(newest.map(([name, { file }]) => [name, join(work, file)])),
    versions: Object.fromEntries(newest.map(([name, { manifest }]) => [name, manifest.version])),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
