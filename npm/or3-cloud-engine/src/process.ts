import { execFile, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { executable, findBinary, type Binary, type Search } from './binary.js'
import { greet } from './client.js'
import { EngineError, EngineProblem } from './errors.js'
import { builtFor } from './format.js'
import { installCommands, packageName, packageVersion, targetOf } from './package.js'
import { readAnnouncement, type Announcement } from './place.js'
import type { Launcher, News, Running } from './supervisor.js'
import { Transport } from './transport.js'

export interface ProcessOptions {
  /** Who starts it, in the form of hello: package/version. */
  client: string
  /** Where to look for the program; env is also its environment. */
  search?: Search
  /** The data directory, if not the one that the settings name. */
  dataDir?: string
  /** Gets each line that the program logs. */
  log?: (line: string) => void
}

/** How many lines of the program's log a problem may include: enough for a list of invalid settings. */
const lastLines = 40
/** The pause before hello is sent again to an engine that was just announced, in milliseconds. */
const greetPause = 100

/**
 * Starts `or3-cloud engine --attached`, which becomes the engine of the data directory or joins it. It ends when its
 * standard input closes, however this process dies; so no exit handlers are needed here.
 */
export class ProcessLauncher implements Launcher {
  readonly #options: ProcessOptions

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  launch(tell: (news: News) => void): Running {
    const { client, search = {}, dataDir, log = () => undefined } = this.#options
    const binary = findBinary(search)
    const path = executable(binary)
    const env = { ...(search.env ?? process.env) }
    for (const ours of ['OR3_CLOUD_BIN', 'OR3_CLOUD_URL', 'OR3_CLOUD_TARGETS']) Reflect.deleteProperty(env, ours)
    // Its own process group, so that Ctrl-C reaches only the host, which may need the engine until its last request is
    // done.
    const child = spawn(path, ['engine', '--attached', ...(dataDir === undefined ? [] : ['--data', dataDir])], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env,
      detached: process.platform !== 'win32',
      windowsHide: true,
    })
    child.unref()
    for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as Socket).unref()
    child.stdin.on('error', () => undefined) // it has ended; `close` reports that

    const stop = new AbortController()
    let newest = 0
    let greeting: AbortController | undefined
    const said: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line)
      if (said.length > lastLines) said.shift()
      log(line)
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      greeting?.abort()
      const announcement = readAnnouncement(line)
      if (!announcement) {
        tell({
          name: 'refused',
          problem: new EngineProblem(
            'version',
            `${path} (${binary.from}) printed ${JSON.stringify(line.slice(0, 200))}, which ${packageName} `
            + `${packageVersion} does not understand. `
            + `Install matching versions of `
            + `both:\n${installCommands(targetOf(process.platform, process.arch))}`,
          ),
        })
        return
      }
      greeting = new AbortController()
      void meet(announcement, ++newest, AbortSignal.any([stop.signal, greeting.signal]))
    })
    const meet = async ({ place, version }: Announcement, line: number, signal: AbortSignal): Promise<void> => {
      const transport = new Transport(place)
      while (!signal.aborted) {
        try {
          const hello = await greet(transport, client, signal)
          if (line === newest && hello.state === 'ready')
            return tell({ name: 'spoke', connection: { transport, hello } })
        }
        catch (error) {
          if (error instanceof EngineError && error.code === 'conflict')
            return tell({ name: 'refused', problem: skew(error, path, binary, version) })
        }
        // It is about to end, or to announce another place.
        await pause(greetPause, undefined, { signal, ref: false }).catch(() => undefined)
      }
      transport.close()
    }

    let failed: unknown
    child.once('error', error => (failed = error))
    const left = new Promise<void>((resolve) => {
      child.once('close', (code, signal) => {
        stop.abort()
        resolve()
        const how
          = failed instanceof Error
            ? `could not be started (${failed.message})`
            : signal
              ? `was ended by ${signal}`
              : `ended with ${code ?? 'no code'}`
        void explain(how, path, binary, said).then(problem => tell({ name: 'left', problem }))
      })
    })
    return {
      end() {
        stop.abort()
        child.stdin.end()
        return left
      },
    }
  }
}

function skew(error: EngineError, path: string, binary: Binary, version: string): EngineProblem {
  return new EngineProblem(
    'version',
    `${error.message}. The engine of this data directory is or3-cloud ${version}, but this host has ${path} `
    + `(${binary.from}) and `
    + `${packageName} ${packageVersion}. Stop or upgrade the other host, or install the matching package here, for `
    + `version ${packageVersion}:\n`
    + installCommands(targetOf(process.platform, process.arch)),
    { cause: error },
  )
}

/** Says why the program ended, as far as is known. */
async function explain(how: string, path: string, binary: Binary, said: readonly string[]): Promise<EngineProblem> {
  const own = said.length > 0 ? `:\n${said.join('\n')}` : ' and printed nothing'
  const target = targetOf(process.platform, process.arch)
  const built = builtFor(path)
  if (built && built !== target) {
    return new EngineProblem(
      'other-platform',
      `${path} (${binary.from}) ${how}: it is a program for ${built}, but this is ${target}. Install the one for `
      + `${target}:\n${installCommands(target)}`,
    )
  }
  if (said.some(line => line.includes('unknown command "engine"'))) {
    return new EngineProblem(
      'version',
      `${path} (${binary.from}) is or3-cloud ${await versionOfProgram(path)}, which has no engine mode; `
      + `${packageName} ${packageVersion} needs it. `
      + `Install the program that matches the package:\n${installCommands(target)}`,
    )
  }
  return new EngineProblem(
    'ended',
    `${path} (${binary.from}), which ${packageName} ${packageVersion} has started, ${how}${own}`,
  )
}

function versionOfProgram(path: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(path, ['version'], { timeout: 10_000 }, (error, stdout) =>
      resolve(
        error
          ? 'of an unknown version'
          : (stdout
              .trim()
              .replace(/^or3-cloud /, '')
              .split('\n')[0] ?? ''),
      ),
    )
  })
}
