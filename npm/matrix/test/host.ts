import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

/** A server that Nuxt has built; it ends with the test. */
export class Host {
  /** All that it has said. */
  said = ''
  /** Resolves with its exit code when it has ended. */
  readonly ended: Promise<number | null>
  readonly #process: ChildProcess
  #over = false

  constructor(node: string, output: string, env: NodeJS.ProcessEnv) {
    this.#process = spawn(node, [join(output, 'server/index.mjs')], {
      cwd: '/',
      env: { ...env, PORT: '0', HOST: '127.0.0.1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.on('data', (text: Buffer) => (this.said += text.toString()))
    this.ended = once(this.#process, 'close').then(() => {
      this.#over = true
      return this.#process.exitCode
    })
    onTestFinished(() => this.kill('SIGKILL'))
  }

  /** Waits until it has said something, and fails if it ends without it. */
  async says(what: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const over = this.#over
      const found = what.exec(this.said)
      if (found) return found
      if (over) throw new Error(`the host has ended and not said ${String(what)}: ${this.said}`)
      await pause(20)
    }
  }

  /** Where it listens. */
  async url(): Promise<string> {
    const [, url = ''] = await this.says(/Listening on (http:\/\/[^\s/]+)/)
    return url
  }

  /** The process of its engine, once it can be asked. */
  async engine(): Promise<number> {
    const [, pid] = await this.says(/or3-cloud \S+, process (\d+)/)
    return Number(pid)
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#process.kill(signal)
    await this.ended
  }
}
