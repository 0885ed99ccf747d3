// Firefox as the distribution has it, by WebDriver BiDi (w3.org/TR/webdriver-bidi). Playwright has a Firefox of its
// own, and asks the distribution's for what it does not know.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { remove } from '../../../or3-cloud-engine/test/folders.js'
import type { Browser, Page } from './browser.js'

type Json = Record<string, unknown>

/** A connection, on which commands are sent and events come. */
class Connection {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, { done: (result: Json) => void, failed: (error: Error) => void }>()
  #count = 0
  #event: (params: Json) => void

  private constructor(socket: WebSocket, event: (params: Json) => void) {
    this.#socket = socket
    this.#event = event
    socket.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data)) as Json))
    socket.addEventListener('close', () => {
      for (const { failed } of this.#waiting.values()) failed(new Error('Firefox has ended'))
      this.#waiting.clear()
    })
  }

  static async to(address: string, event: (params: Json) => void): Promise<Connection> {
    const socket = new WebSocket(address)
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error(`Firefox does not answer at ${address}`)))
    })
    return new Connection(socket, event)
  }

  send(method: string, params: Json = {}): Promise<Json> {
    const id = ++this.#count
    return new Promise((done, failed) => {
      this.#waiting.set(id, { done, failed })
      this.#socket.send(JSON.stringify({ id, method, params }))
    })
  }

  #take({ type, id, result, params, error, message }: Json): void {
    if (type === 'event') return this.#event(params as Json)
    const waiting = this.#waiting.get(id as number)
    this.#waiting.delete(id as number)
    if (type === 'success') waiting?.done(result as Json)
    else waiting?.failed(new Error(`${String(error)}: ${String(message)}`))
  }
}

export async function launchFirefox(program: string): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'or3-firefox-'))
  const child = spawn(program, ['--headless', '--no-remote', '--profile', folder, '--remote-debugging-port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: folder, MOZ_DISABLE_AUTO_SAFE_MODE: '1' },
  })
  const ended = once(child, 'exit')
  process.once('exit', () => child.kill('SIGKILL'))
  const address = await new Promise<string>((resolve, reject) => {
    let said = ''
    createInterface({ input: child.stderr }).on('line', (line) => {
      said += `${line}\n`
      const found = /^WebDriver BiDi listening on (\S+)/.exec(line)
      if (found) resolve(`${found[1]}/session`)
    }).on('close', () => reject(new Error(`Firefox has ended:\n${said}`)))
  })

  const complaints = new Map<unknown, string[]>()
  const connection = await Connection.to(address, ({ level, text, source }) => {
    if (level === 'error') complaints.get((source as Json).context)?.push(String(text))
  })
  await connection.send('session.new', { capabilities: {} })
  await connection.send('session.subscribe', { events: ['log.entryAdded'] })

  const open = async (address: string, userContext: unknown): Promise<Page> => {
    // Windows, because a tab behind another one is put to sleep.
    const { context } = await connection.send('browsingContext.create', { type: 'window', userContext })
    const mine: string[] = []
    complaints.set(context, mine)
    await connection.send('browsingContext.navigate', { context, url: address, wait: 'complete' })
    return {
      complaints: mine,
      evaluate: async (expression) => {
        const answer = await connection.send('script.evaluate', {
          expression: `Promise.resolve(${expression}).then(result => JSON.stringify(result) ?? null)`, target: { context }, awaitPromise: true,
        })
        if (answer.type !== 'success') throw new Error(String((answer.exceptionDetails as Json).text))
        const { value } = answer.result as { value?: string }
        return value === undefined ? undefined : JSON.parse(value)
      },
      close: async () => {
        await connection.send('browsingContext.close', { context })
      },
    }
  }

  return {
    profile: async () => {
      const { userContext } = await connection.send('browser.createUserContext')
      const partition = { type: 'storageKey', userContext }
      return {
        open: address => open(address, userContext),
        cookies: async () => {
          const { cookies } = await connection.send('storage.getCookies', { partition }) as { cookies: { name: string, value: { value: string } }[] }
          return Object.fromEntries(cookies.map(({ name, value }) => [name, value.value]))
        },
        lose: async (name) => {
          await connection.send('storage.deleteCookies', { filter: { name }, partition })
        },
        close: async () => {
          await connection.send('browser.removeUserContext', { userContext })
        },
      }
    },
    close: async () => {
      await connection.send('browser.close').catch(() => undefined)
      await ended
      await remove(folder)
    },
  }
}
