// What is in the tarballs, for whoever installs them with whatever resolution of modules.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { expect, inject, test } from 'vitest'

const { tarballs } = inject('release')
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
