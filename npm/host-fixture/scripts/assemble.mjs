// Makes a host of a form and a pair of versions: the sources, what the form adds, and what is installed.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = fileURLToPath(new URL('..', import.meta.url))

/** The pairs of versions, and the form of the host that OR3 Chat had with them. */
export const forms = { oldest: 'base', newest: 'newest' }

/** Stand-ins for the packages of other providers. They are not tested. */
const others = ['or3-provider-clerk', 'or3-provider-convex']

/** The environment of the host's own tools: its Node, and none of the tester's own settings for a cloud. */
export function environment(host, more = {}) {
  const { PATH, HOME, LANG, CI, NODE_EXTRA_CA_CERTS } = process.env
  return {
    ...{ HOME, LANG, CI, NODE_EXTRA_CA_CERTS, NUXT_TELEMETRY_DISABLED: '1', npm_config_update_notifier: 'false' },
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

const installing = ['install', '--no-save', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel', 'error']

/**
 * Puts a host without any provider into a folder, and installs what its lock file says, and the packed library of its
 * page.
 */
export function assemble(pair, host, packages) {
  mkdirSync(host, { recursive: true })
  for (const part of ['host', `forms/${forms[pair]}`, `pairs/${pair}`]) {
    cpSync(join(home, part), host, { recursive: true, filter: path => !path.includes('node_modules') })
  }
  copyFileSync(join(home, '../.npmrc'), join(host, '.npmrc'))
  run(host, 'npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel', 'error'])
  run(host, 'npm', [...installing, ...tarballs(packages, 'or3-cloud-client-')])
}

const tarballs = (packages, beginning = '') =>
  readdirSync(packages).filter(name => name.startsWith(beginning) && name.endsWith('.tgz')).map(name => join(packages, name))

/** Installs packed packages into a host, has the program set it up, and puts the stand-ins into its list of modules. */
export function install(pair, host, packages, program) {
  run(host, 'npm', [...installing, ...tarballs(packages)])
  for (const name of others) cpSync(join(home, 'others', name), join(host, 'node_modules', name), { recursive: true })
  const list = setUp(pair, host, program)
  const modules = others.map(name => `${name}/nuxt`)
  const text = readFileSync(list, 'utf8')
  if (list.endsWith('.ts')) {
    writeFileSync(list, text.replace(/\];\s*$/, `${modules.map(name => `    '${name}',`).join('\n')}\n];\n`))
  }
  else {
    const written = JSON.parse(text)
    writeFileSync(list, JSON.stringify({ ...written, modules: [...written.modules, ...modules] }))
  }
}

/** The three modules that set-up lists for the recommended providers. */
const ours = ['basic-auth', 'fs', 'sqlite'].map(id => `or3-provider-${id}/nuxt`)

/**
 * Has or3-cloud init write the list of modules, in the form that the host reads, and has the doctor look at the result.
 * Its .env file and data directory are removed: the tests have settings of their own. Returns the path of the list.
 */
function setUp(pair, host, program) {
  const lists = ['or3.providers.generated.ts', 'or3.providers.generated.json'].map(name => join(host, name))
  const [list, other] = forms[pair] === 'base' ? lists : lists.toReversed()
  run(host, program, ['init', '--yes', '--preset', 'recommended', '--set', 'OR3_PUBLIC_URL=https://cloud.example.org'])
  const said = run(host, program, ['doctor', '--offline'])
  const text = readFileSync(list, 'utf8')
  const listed = [...text.matchAll(/"(or3-provider-[^"]*)"/g)].map(([, name]) => name)
  if (listed.join() !== ours.join() || existsSync(other) || !said.includes('0 errors')) {
    throw new Error(`or3-cloud init has written a list that is none for the form ${forms[pair]}:\n${text}\n${said}`)
  }
  for (const name of ['.env', 'data']) rmSync(join(host, name), { recursive: true })
  return list
}
