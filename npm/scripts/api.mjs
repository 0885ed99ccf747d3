// Writes the types of the HTTP API that the packages speak, from docs/contract/openapi.yaml. With "check" it only tells
// whether they are fresh.
import { readFileSync, writeFileSync } from 'node:fs'
import openapiTS, { astToString } from 'openapi-typescript'
import { parse } from 'yaml'

/** The files, and what the paths of the operations begin with whose bodies they describe. */
const targets = {
  'client/src/api.ts': ['/api/auth/', '/api/sync/', '/api/storage/'],
  'or3-provider-basic-auth/src/runtime/account/api/schema.ts': ['/api/auth/', '/api/basic-auth/', '/api/workspaces'],
}

const head = '// Made from docs/contract/openapi.yaml by "make generate". Do not edit.\n/* eslint-disable */\n'
const description = parse(readFileSync(new URL('../../docs/contract/openapi.yaml', import.meta.url), 'utf8'))
const { schemas } = description.components

/** Collects the names of the schemas that a part of the description uses. */
function collect(part, names) {
  JSON.stringify(part, (key, value) => {
    const name = key === '$ref' && /^#\/components\/schemas\/(.+)$/.exec(value)?.[1]
    if (name && !names.has(name)) collect(schemas[name], names.add(name))
    return value
  })
  return names
}

async function typesOf(prefixes) {
  const paths = Object.entries(description.paths).filter(([path]) => prefixes.some(prefix => path.startsWith(prefix)))
  const names = collect(paths, new Set())
  const used = Object.fromEntries(Object.entries(schemas).filter(([name]) => names.has(name)))
  return head + astToString(await openapiTS({ ...description, paths: {}, components: { schemas: used } }))
}

for (const [file, prefixes] of Object.entries(targets)) {
  const target = new URL(`../${file}`, import.meta.url)
  const fresh = await typesOf(prefixes)
  if (process.argv[2] !== 'check') {
    writeFileSync(target, fresh)
  }
  else if (readFileSync(target, 'utf8') !== fresh) {
    process.stderr.write(`npm/${file} differs from docs/contract/openapi.yaml; run: make generate\n`)
    process.exitCode = 1
  }
}
