// Writes src/protocol.ts, the types of the protocol, from engine/openapi.json. With "check" it only tells whether they
// are fresh.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import openapiTS, { astToString } from 'openapi-typescript'

const source = new URL('../../../engine/openapi.json', import.meta.url)
const target = fileURLToPath(new URL('../src/protocol.ts', import.meta.url))
const head = '// Made from engine/openapi.json by "make generate". Do not edit.\n/* eslint-disable */\n'
const fresh = head + astToString(await openapiTS(source))

if (process.argv[2] !== 'check') {
  writeFileSync(target, fresh)
}
else if (readFileSync(target, 'utf8') !== fresh) {
  process.stderr.write('npm/or3-cloud-engine/src/protocol.ts differs from engine/openapi.json; run: make generate\n')
  process.exitCode = 1
}
