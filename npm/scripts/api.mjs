// Writes the types of what the packages speak: of the HTTP API from docs/contract/openapi.yaml, and of the protocol of
// engines from engine/openapi.json. It writes the files below the current folder; with "check" it only tells whether
// they are fresh.
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import openapiTS, { astToString } from 'openapi-typescript'
import { parse } from 'yaml'

const api = 'docs/contract/openapi.yaml'

/** The files, and what each is made from: a description, or those of its bodies whose operations have such paths. */
const targets = {
  'client/src/api.ts': { source: api, paths: ['/api/auth/', '/api/sync/', '/api/storage/'] },
  'or3-provider-basic-auth/src/runtime/account/api/schema.ts': { source: api, paths: ['/api/auth/', '/api/basic-auth/', '/api/workspaces'] },
  'or3-cloud-engine/src/protocol.ts': { source: 'engine/openapi.json' },
}

/** Collects the names of the schemas that a part of a description uses. */
function collect(part, schemas, names) {
  JSON.stringify(part, (key, value) => {
    const name = key === '$ref' && /^#\/components\/schemas\/(.+)$/.exec(value)?.[1]
    if (name && !names.has(name)) collect(schemas[name], schemas, names.add(name))
    return value
  })
  return names
}

/** Leaves of a description the schemas that the bodies of some paths use. */
function bodiesOf(description, prefixes) {
  const { schemas } = description.components
  const paths = Object.entries(description.paths).filter(([path]) => prefixes.some(prefix => path.startsWith(prefix)))
  const names = collect(paths, schemas, new Set())
  const used = Object.fromEntries(Object.entries(schemas).filter(([name]) => names.has(name)))
  return { ...description, paths: {}, components: { schemas: used } }
}

async function typesOf({ source, paths }) {
  const description = parse(readFileSync(new URL(`../../${source}`, import.meta.url), 'utf8')) // JSON is YAML, too
  const types = astToString(await openapiTS(paths ? bodiesOf(description, paths) : description))
  return `// Made from ${source} by "make generate". Do not edit.\n/* eslint-disable */\n${types}`
}

const here = pathToFileURL(`${process.cwd()}/`).href
for (const [file, made] of Object.entries(targets)) {
  const target = new URL(`../${file}`, import.meta.url)
  if (!target.href.startsWith(here)) continue
  const fresh = await typesOf(made)
  if (process.argv[2] !== 'check') {
    writeFileSync(target, fresh)
  }
  else if (readFileSync(target, 'utf8') !== fresh) {
    process.stderr.write(`npm/${file} differs from ${made.source}; run: make generate\n`)
    process.exitCode = 1
  }
}
