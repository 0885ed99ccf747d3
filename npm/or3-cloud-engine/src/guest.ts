import { setImmediate as soon } from 'node:timers/promises'
import { greet, listen } from './client.js'
import { EngineError, EngineProblem, faultOf } from './errors.js'
import { prefix } from './methods.js'
import { packageName, packageVersion } from './package.js'
import { placeOfURL } from './place.js'
import type { Launcher, News, Running } from './supervisor.js'
import { readBody, Transport } from './transport.js'

/** Uses an engine that another process runs (OR3_CLOUD_URL), which does not end on its own in the meantime. */
export class GuestLauncher implements Launcher {
  readonly #url: string
  readonly #client: string

  constructor(url: string, client: string) {
    this.#url = url
    this.#client = client
  }

  launch(tell: (news: News) => void): Running {
    const find = placeOfURL(this.#url)
    const stop = new AbortController()
    const left = this.#stay(find, tell, stop.signal).then(
      problem => tell({ name: 'left', problem }),
      (error: unknown) => tell({ name: 'left', problem: this.#problem(error) }),
    )
    return {
      end() {
        stop.abort()
        return left
      },
    }
  }

  async #stay(
    find: ReturnType<typeof placeOfURL>,
    tell: (news: News) => void,
    signal: AbortSignal,
  ): Promise<EngineProblem> {
    const place = find()
    if (!place) throw new Error('no engine has written its address there')
    const transport = new Transport(place)
    try {
      await greet(transport, this.#client, signal)
      const answer = await transport.send({
        method: 'GET',
        path: `${prefix}stay`,
        headers: { accept: 'text/event-stream' },
        signal,
      })
      if (answer.statusCode !== 200) throw faultOf(answer.statusCode ?? 0, await readBody(answer))
      for await (const { name, data } of listen(answer)) {
        if (name !== 'state' || !/"ready"/.test(data)) continue
        const hello = await greet(transport, this.#client, signal)
        if (hello.state === 'ready') tell({ name: 'spoke', connection: { transport, hello } })
        await soon()
      }
      return new EngineProblem(
        'unreachable',
        `The engine at OR3_CLOUD_URL=${this.#url} has ended or is stopping. Start it again: or3-cloud engine`,
      )
    }
    finally {
      transport.close()
    }
  }

  #problem(error: unknown): EngineProblem {
    if (error instanceof EngineError && error.code === 'conflict') {
      return new EngineProblem(
        'version',
        `${error.message} (${packageName} ${packageVersion}, OR3_CLOUD_URL=${this.#url}). Upgrade the older of the `
        + `two: download the new program, or run npm install ${packageName}@latest`,
        { cause: error },
      )
    }
    if (error instanceof EngineError && error.code === 'unauthenticated') {
      return new EngineProblem(
        'unreachable',
        `The engine at OR3_CLOUD_URL=${this.#url} does not accept the secret in that file: it may be an older `
        + `engine's. Start the engine again: or3-cloud engine --loopback`,
        { cause: error },
      )
    }
    const cause = error instanceof EngineError ? (error.cause ?? error) : error
    return new EngineProblem(
      'unreachable',
      `No engine answers at OR3_CLOUD_URL=${this.#url} (${cause instanceof Error ? cause.message : String(cause)}). `
      + `Start it as the user that this host runs as: or3-cloud engine`,
      { cause },
    )
  }
}
