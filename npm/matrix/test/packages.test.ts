// What the tarballs offer to projects with any resolution of modules.
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { json } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { expect, inject, onTestFinished, test } from 'vitest'

const { packages, tarballs, version } = inject('release')
const attw = fileURLToPath(new URL('../tools/node_modules/@arethetypeswrong/cli/dist/index.js', import.meta.url))

test.each(Object.entries(tarballs))('publint and attw find nothing in %s', async (name, tarball) => {
  const bytes = readFileSync(tarball)
  const { messages, pkg } = await publint({
    strict: true,
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
  })
  expect(messages.map(message => formatMessage(message, pkg))).toEqual([])
  expect(pkg.name).toBe(name)
  // They are for bundlers and for Node's imports; no one requires them. attw fails where it finds anything.
  expect(execFileSync(process.execPath, [attw, tarball, '--profile', 'esm-only'], { encoding: 'utf8' })).toContain(name)
})

interface Published {
  '_id': string
  'dist-tags': { latest: string }
  'versions': Record<string, { dist: { integrity: string } }>
  '_attachments': Record<string, { data: string }>
}

// walk:follows nuxt-host.md npm publish
// walk:follows nuxt-host.md npm pack
test('packages can be published to a registry of one\'s own, and packed', async () => {
  const received: Published[] = []
  const registry = http.createServer((request, response) => {
    if (request.method !== 'PUT') return void response.writeHead(404).end('{}')
    void json(request).then((body) => {
      received.push(body as Published)
      response.writeHead(201).end('{}')
    })
  })
  await new Promise<void>(resolve => registry.listen(0, '127.0.0.1', resolve))
  const folder = mkdtempSync(join(tmpdir(), 'or3-published-'))
  onTestFinished(() => {
    registry.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const host = `127.0.0.1:${(registry.address() as AddressInfo).port}`
  writeFileSync(join(folder, 'npmrc'), `registry=http://${host}/\n//${host}/:_authToken=token\n`)
  const npm = (...args: string[]): Promise<{ stdout: string }> =>
    promisify(execFile)('npm', [...args, '--silent', '--userconfig', join(folder, 'npmrc')], { cwd: folder })

  const names = ['or3-cloud-engine', '@or3-cloud/or3-provider-sqlite']
  for (const name of names) await npm('publish', '--access', 'public', join(packages, name))
  expect(received.map(one => [one._id, one['dist-tags'].latest])).toEqual(names.map(name => [name, version]))
  for (const { _id, versions, _attachments } of received) {
    const { stdout } = await npm('pack', join(packages, _id))
    const packed = readFileSync(join(folder, stdout.trim()))
    expect(`sha512-${createHash('sha512').update(packed).digest('base64')}`).toBe(versions[version]?.dist.integrity)
    expect(Object.values(_attachments).map(({ data }) => Buffer.from(data, 'base64').equals(packed))).toEqual([true])
  }
})
