import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build, createNitro, prepare } from 'nitropack'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resolveAsCopied } from '../src/build'

const files = (kind: string) => ({ import: `./${kind}.mjs`, require: `./${kind}.cjs`, default: `./${kind}.cjs` })
const { production, development } = { production: files('production'), development: files('development') }

/** Packages whose files differ by condition, in the ways in which such packages are written. */
const packages: Record<string, { exports: object | string, imports?: object }> = {
  'as-dexie': { exports: { '.': { production, development, default: development } } },
  'without-names': { exports: { production, default: development } },
  'of-one-file': { exports: { '.': { production: './production.mjs', import: './development.mjs', default: './development.cjs' } } },
  'within-import': { exports: { '.': { import: { production: './production.mjs', default: './development.mjs' }, default: './development.cjs' } } },
  'import-only': { exports: { '.': { production: { import: './production.mjs' }, default: development } } },
  '@scope/package': { exports: { '.': { development, production, default: development } } },
  'own-imports': {
    exports: './own.mjs',
    imports: { '#file': { production: './production.mjs', development: './development.mjs', default: './development.mjs' } },
  },
}

describe('a server that plain node starts takes the files that were built for it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'or3-output-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  beforeAll(async () => {
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    write('package.json', JSON.stringify({ name: 'host', type: 'module', dependencies: Object.fromEntries(Object.keys(packages).map(name => [name, '1.0.0'])) }))
    for (const [name, says] of Object.entries(packages)) {
      const within = `node_modules/${name}`
      write(`${within}/package.json`, JSON.stringify({ name, version: '1.0.0', ...says }))
      write(`${within}/own.mjs`, 'export { file } from \'#file\'')
      for (const kind of ['production', 'development']) {
        // As with dexie, the names of what is for require are not found by an import.
        write(`${within}/${kind}.cjs`, `Object.assign(exports, { ['fi' + 'le']: '${kind}' })`)
        write(`${within}/${kind}.mjs`, `import of from './${kind}.cjs'; export const file = of.file`)
      }
    }
    const names = Object.keys(packages)
    write('entry.mjs', [
      ...names.map((name, n) => `import { file as file${n} } from '${name}'`),
      `console.log(JSON.stringify({ ${names.map((name, n) => `'${name}': file${n}`).join(', ')} }))`,
    ].join('\n'))

    const nitro = await createNitro({
      rootDir: folder, entry: join(folder, 'entry.mjs'), preset: 'node-server', compatibilityDate: '2025-07-15', logLevel: 0, sourceMap: false,
    })
    resolveAsCopied(nitro)
    await prepare(nitro)
    await build(nitro)
    await nitro.close()
  })

  const production = Object.fromEntries(Object.keys(packages).map(name => [name, 'production']))
  it.each([
    [[], {}],
    [[], { NODE_ENV: 'production' }],
    [[], { NODE_ENV: 'development' }],
    [['-C', 'production'], {}],
    [['-C', 'development'], {}],
  ])('node %j, %j', (conditions, env) => {
    const said = execFileSync(process.execPath, [...conditions, join(folder, '.output/server/index.mjs')], { env, encoding: 'utf8', cwd: folder })
    expect(JSON.parse(said)).toEqual(production)
  })
})
