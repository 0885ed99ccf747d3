import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import http from 'node:http'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

export interface Registry {
  url: string
  close: () => Promise<void>
}

/** A registry of npm with the packages of these folders, and no other. */
export async function registryOf(folders: string[], work: string): Promise<Registry> {
  const tarballs = new Map<string, Buffer>()
  const packages = new Map<string, (url: string) => object>()
  for (const folder of folders) {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string, version: string }
    const file = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work], {
      cwd: folder,
      encoding: 'utf8',
    }).trim()
    const tarball = readFileSync(join(work, file))
    tarballs.set(`/-/${file}`, tarball)
    packages.set(manifest.name, url => ({
      'name': manifest.name,
      'dist-tags': { latest: manifest.version },
      'versions': {
        [manifest.version]: {
          ...manifest,
          dist: {
            tarball: `${url}/-/${file}`,
            integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
            shasum: createHash('sha1').update(tarball).digest('hex'),
          },
        },
      },
    }))
  }
  const server = http.createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '/')
    const tarball = tarballs.get(path)
    const metadata = packages.get(path.slice(1))
    if (tarball) response.end(tarball)
    else if (metadata)
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify(metadata(`http://${request.headers.host}`)))
    else response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
