// The package managers, and a project that they install.
import { execFile } from 'node:child_process'
import { appendFileSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject, onTestFinished } from 'vitest'

/** A program of the tools. */
export const tool = (name: string): string => fileURLToPath(new URL(`../tools/node_modules/.bin/${name}`, import.meta.url))

export interface Manager {
  name: 'npm' | 'pnpm' | 'bun'
  command: string
  install: string[]
  /** Without optional dependencies. */
  lean: string[]
  /** The folder of its isolated layout. */
  isolated?: string
}

export const npm: Manager = {
  name: 'npm', command: 'npm', install: ['install'], lean: ['install', '--omit=optional'],
}
export const pnpm: Manager = {
  name: 'pnpm', command: tool('pnpm'), install: ['install'], lean: ['install', '--no-optional'], isolated: '.pnpm',
}
export const bun: Manager = {
  name: 'bun', command: tool('bun'), install: ['install'], lean: ['install', '--omit', 'optional'], isolated: '.bun',
}
export const managers = [npm, pnpm, bun]

/** A folder with a package.json, which goes with the test, and the environment of its Node. */
export class Project {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), 'or3-host-')))
  readonly env: NodeJS.ProcessEnv

  constructor(manifest: object, env: Record<string, string> = {}, node = process.execPath) {
    onTestFinished(() => rmSync(this.path, { recursive: true, force: true, maxRetries: 10 }))
    const { registry, caches } = inject('release')
    this.write('package.json', JSON.stringify({ name: 'host', private: true, type: 'module', ...manifest }, null, 2))
    this.write('.npmrc', `registry=${registry}/\naudit=false\nfund=false\nprefer-offline=true\n`)
    this.write('bunfig.toml', `[install]\nregistry = "${registry}/"\nlinker = "isolated"\n`)
    // What npm tells its children about the project that runs the tests, and the tester's own settings, stay out.
    this.env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|OR3_|NUXT_|VITEST|NODE_ENV$|CI$)/i.test(name)))
    Object.assign(this.env, {
      PATH: [join(this.path, 'node_modules/.bin'), dirname(node), process.env.PATH].join(delimiter),
      npm_config_store_dir: join(caches, 'pnpm'),
      npm_config_update_notifier: 'false',
      BUN_INSTALL_CACHE_DIR: join(caches, 'bun'),
      XDG_CACHE_HOME: join(this.path, '.cache'),
      NUXT_TELEMETRY_DISABLED: '1',
      ...env,
    })
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.path, file), text)
  }

  append(file: string, text: string): void {
    appendFileSync(join(this.path, file), text)
  }

  /** Resolves with what the command has said, and rejects with it where it fails. */
  async run(command: string, args: string[], env: Record<string, string> = {}): Promise<string> {
    // Bun sometimes hangs in an install, without a connection. The next attempt has what the first one fetched.
    const tries = command === bun.command && args[0] === 'install' ? 2 : 1
    for (let n = 1; ; n++) {
      try {
        return await this.#once(command, args, env, n < tries ? patience : 0)
      }
      catch (error) {
        if (!(error instanceof Hung)) throw error
        process.stderr.write(`${error.message}\n`)
      }
    }
  }

  #once(command: string, args: string[], env: Record<string, string>, timeout: number): Promise<string> {
    return new Promise((resolve, reject) =>
      execFile(
        command,
        args,
        { cwd: this.path, env: { ...this.env, ...env }, maxBuffer: 1 << 26, timeout, killSignal: 'SIGKILL' },
        (error, stdout, stderr) => {
          const said = `${command} ${args.join(' ')}: ${stdout}${stderr}`
          if (error?.killed && timeout > 0) reject(new Hung(`${said}did not end, and is tried again`))
          else if (error) reject(new Error(said))
          else resolve(stdout + stderr)
        },
      ),
    )
  }
}

/** How long an install may take that is tried again, in milliseconds: many times what one takes on a busy machine. */
const patience = 480_000

class Hung extends Error {}
