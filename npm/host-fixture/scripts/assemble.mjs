// Makes a host of a form and a pair of versions: the sources, what the form adds, and what is installed.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = fileURLToPath(new URL('..', import.meta.url))

/** The pairs of versions, and the form of the host that OR3 Chat had with them. */
export const forms = { oldest: 'base', newest: 'newest' }

/** Stand-ins for the packages of other providers. They are no part of what is tested. */
const others = ['or3-provider-clerk', 'or3-provider-convex']

/** The environment of the host's own tools: its Node, and nothing that whoever tests has set for a cloud. */
export function environment(host, more = {}) {
  const { PATH, HOME, LANG, CI } = process.env
  return {
    ...{ HOME, LANG, CI, NUXT_TELEMETRY_DISABLED: '1', npm_config_update_notifier: 'false' },
    PATH: `${join(host, 'node_modules/.bin')}:${PATH}`,
    ...more,
  }
}

/** Runs a tool of the host, and returns what it has said. It fails with all of that. */
export function run(host, command, args, env = {}) {
  const started = Date.now()
  process.stdout.write(`${command} ${args.join(' ')}\n`)
  try {
    return execFileSync('sh', ['-c', '"$0" "$@" 2>&1', command, ...args], {
      cwd: host, env: environment(host, env), encoding: 'utf8', maxBuffer: 2 ** 26,
    })
  }
  catch (error) {
    throw new Error(`${command} ${args.join(' ')} failed:\n${error.stdout}`)
  }
  finally {
    process.stdout.write(`  ${((Date.now() - started) / 1000).toFixed(0)} s\n`)
  }
}

/** Puts a host without any provider into a folder, and installs what its lock file says. */
export function assemble(pair, host) {
  mkdirSync(host, { recursive: true })
  for (const part of ['host', `forms/${forms[pair]}`, `pairs/${pair}`]) {
    cpSync(join(home, part), host, { recursive: true, filter: path => !path.includes('node_modules') })
  }
  copyFileSync(join(home, '../.npmrc'), join(host, '.npmrc'))
  run(host, 'npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel', 'error'])
}

/** Installs packed packages into a host, and puts the stand-ins into its list of modules, as its wizard would. */
export function install(pair, host, packages) {
  const tarballs = readdirSync(packages).filter(name => name.endsWith('.tgz')).map(name => join(packages, name))
  run(host, 'npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel', 'error', ...tarballs])
  for (const name of others) cpSync(join(home, 'others', name), join(host, 'node_modules', name), { recursive: true })
  const modules = others.map(name => `${name}/nuxt`)
  if (forms[pair] === 'base') {
    writeFileSync(join(host, 'or3.providers.generated.ts'), `export const or3ProviderModules: string[] = ${JSON.stringify(modules)}\n`)
  }
  else {
    writeFileSync(join(host, 'or3.providers.generated.json'), JSON.stringify({ schemaVersion: 1, modules }))
  }
}
