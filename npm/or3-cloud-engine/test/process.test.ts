import { fork, spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { useEngine } from '../src/engine.js'
import { EngineError, EngineProblem } from '../src/errors.js'
import { packageVersion, targetOf } from '../src/package.js'
import { Supervisor, type Launcher, type News } from '../src/supervisor.js'
import { Transport } from '../src/transport.js'
import { until } from './folders.js'
import { alive, environment, folder, start, user, userAndWorkspace } from './rig.js'

const script = fileURLToPath(new URL('hosts/host.mjs', import.meta.url))

interface Report {
  pid?: number
  error?: string
}

/** A host in a process of its own. */
class HostProcess {
  readonly child: ChildProcess
  #heard: ((report: Report) => void)[] = []
  #reports: Report[] = []

  constructor(dataDir: string, stay = true) {
    this.child = fork(script, [JSON.stringify({ dataDir, env: environment(), stay })], { execArgv: [] })
    this.child.on('message', (report: Report) => {
      const hear = this.#heard.shift()
      if (hear) hear(report)
      else this.#reports.push(report)
    })
    onTestFinished(() => void this.child.kill('SIGKILL'))
  }

  /** What it says next. */
  said(): Promise<Report> {
    const report = this.#reports.shift()
    return report ? Promise.resolve(report) : new Promise(resolve => this.#heard.push(resolve))
  }

  ask(): Promise<Report> {
    this.child.send('report')
    return this.said()
  }

  async engine(): Promise<number> {
    const { pid, error } = await this.said()
    if (pid === undefined) throw new Error(error)
    return pid
  }

  async gone(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null)
      await new Promise(resolve => this.child.once('exit', resolve))
    return this.child.exitCode
  }
}

async function problem(started: Promise<unknown>): Promise<EngineProblem> {
  const error = await started.then(
    () => undefined,
    (e: unknown) => e,
  )
  if (!(error instanceof EngineProblem)) throw new Error(`no problem: ${String(error)}`)
  return error
}

/** A program that is not ours. */
function program(text: string): string {
  const path = join(folder(), 'or3-cloud')
  writeFileSync(path, text, { mode: 0o755 })
  return path
}

describe('hosts and their engine', () => {
  test('a host that is killed leaves no engine, and the data directory is free', async () => {
    const dataDir = folder()
    const host = new HostProcess(dataDir)
    const pid = await host.engine()
    host.child.kill('SIGKILL')
    await until(() => !alive(pid))
    expect(existsSync(join(dataDir, 'engine.json'))).toBe(false) // it has ended in order
    const { engine } = start({ dataDir })
    expect((await engine.hello()).pid).not.toBe(pid)
  })

  test('a host with nothing else to do may end', async () => {
    const host = new HostProcess(folder(), false)
    const pid = await host.engine()
    expect(await host.gone()).toBe(0)
    await until(() => !alive(pid))
  })

  test('several workers have one engine, which outlives the one that started it', async () => {
    const dataDir = folder()
    const first = new HostProcess(dataDir)
    const pid = await first.engine()
    const second = new HostProcess(dataDir)
    const third = new HostProcess(dataDir)
    expect([await second.engine(), await third.engine()]).toEqual([pid, pid])
    first.child.kill('SIGKILL')
    await first.gone()
    for (const host of [second, third]) expect(await host.ask()).toEqual({ pid })
    process.kill(pid, 'SIGKILL')
    await until(() => !alive(pid))
    let now: Report[] = []
    await until(async () => {
      now = [await second.ask(), await third.ask()]
      return now.every(report => report.pid !== undefined && report.pid !== pid)
    })
    expect(now[0]).toEqual(now[1])
  })

  test('a reload in development, which ends the worker thread, leaves one engine', async () => {
    const dataDir = folder()
    let last: number | undefined
    for (let reload = 0; reload < 3; reload++) {
      const worker = new Worker(script, { workerData: { dataDir, env: environment() } })
      const { pid } = await new Promise<Report>((resolve, reject) =>
        worker.once('message', resolve).once('error', reject),
      )
      if (last !== undefined && last !== pid) await until(() => !alive(last ?? 0))
      last = pid
      await worker.terminate()
    }
    await until(() => !alive(last ?? 0))
  })

  test('packages of one host share the engine, until the last lets go', async () => {
    const options = { user, dataDir: folder(), search: { env: environment() } }
    const lines: string[] = []
    const first = useEngine({ ...options, log: (_, line) => lines.push(line) })
    const second = useEngine({ ...options, user: { name: 'or3-provider-other', version: '0.2.0' } })
    expect(second.engine).toBe(first.engine)
    const { pid, version } = await first.engine.started()
    expect(lines.at(-1)).toBe(
      `or3-provider-other 0.2.0, or3-provider-test 0.1.0 (or3-cloud-engine ${packageVersion}) use or3-cloud `
      + `${version}, process ${pid}, with the providers basic-auth, sqlite, fs`,
    )
    await first.release()
    await first.release()
    expect((await second.engine.hello()).pid).toBe(pid)
    await second.release()
    await until(() => !alive(pid))
    await expect(second.engine.hello()).rejects.toMatchObject({ status: 503 })
    const again = useEngine(options)
    expect(again.engine).not.toBe(first.engine)
    await again.release()
  })

  test('nothing acknowledged is lost when the engine is killed under load, and all else is a 503', async () => {
    const { engine } = start()
    const { userId, workspaceId } = await userAndWorkspace(engine)
    const caller = { user: { id: userId } }
    const acknowledged = new Set<string>()
    const faults: unknown[] = []
    let n = 0
    let kills = 0
    const killed = (async () => {
      while (kills < 3) {
        const before = acknowledged.size
        await until(() => acknowledged.size > before + 5)
        const { pid } = await engine.hello()
        if (!alive(pid)) continue
        process.kill(pid, 'SIGKILL')
        kills++
        await until(async () => (await engine.hello()).pid !== pid)
      }
    })()
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (kills < 3) {
          const pk = `k${n++}`
          await engine
            .call(
              'sync/push',
              {
                scope: { workspaceId },
                ops: [
                  {
                    tableName: 'kv',
                    operation: 'put',
                    pk,
                    payload: { id: pk, name: pk, value: 'v', created_at: 1, updated_at: 1, clock: 1 },
                    stamp: { deviceId: '1a2b3c4d', opId: crypto.randomUUID(), hlc: 'h', clock: 1 },
                  },
                ],
              },
              caller,
            )
            .then(
              ({ results }) => {
                if (results[0]?.success) acknowledged.add(pk)
              },
              error => faults.push(error),
            )
        }
      }),
    )
    await killed
    const stored = new Set<string>()
    for (let cursor = 0, more = true; more;) {
      const page = await engine.call('sync/pull', { scope: { workspaceId }, cursor, limit: 1000 }, caller)
      for (const change of page.changes) stored.add(change.pk)
      cursor = page.nextCursor
      more = page.hasMore
    }
    expect([...acknowledged].filter(pk => !stored.has(pk))).toEqual([])
    for (const fault of faults) expect(fault).toMatchObject({ code: 'unavailable', status: 503 })
    expect(faults.every(fault => fault instanceof EngineError && fault.retryAfter !== undefined)).toBe(true)
  })

  test('a data directory whose path is too long for a socket', async () => {
    const dataDir = join(folder(), 'a-long-name'.repeat(12), 'data')
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const { engine } = start({ dataDir })
    expect((await engine.hello()).state).toBe('ready')
  })

  test('where there are no such sockets it is a loopback address with a secret, which are others after each start', async () => {
    const path = program(`#!/bin/sh\nexec '${inject('program')}' "$@" --loopback\n`)
    const { engine, dataDir } = start({ env: { OR3_CLOUD_BIN: path } })
    engine.check()
    const { pid } = await engine.hello()
    const secret = (): string =>
      (JSON.parse(readFileSync(join(dataDir, 'engine.json'), 'utf8')) as { secret: string }).secret
    const before = secret()
    process.kill(pid, 'SIGKILL')
    await until(async () => (await engine.hello()).pid !== pid)
    expect(secret()).not.toBe(before)
    expect(await engine.call('auth/setup', {}, undefined)).toHaveProperty('fragments')
  })

  test('an engine that runs elsewhere is used, waited for, and not ended', async () => {
    const dataDir = folder()
    const url = `unix:${join(dataDir, 'engine.sock')}`
    const { engine, lines, release } = start({ env: { OR3_CLOUD_URL: url } })
    const missing = await problem(engine.started())
    expect(missing.message).toContain(`No engine answers at OR3_CLOUD_URL=${url}`)
    expect(missing.message).toContain('or3-cloud engine')
    const run = (): ChildProcess =>
      spawn(inject('program'), ['engine', '--data', dataDir], { stdio: 'ignore', env: environment() })
    const first = run()
    expect((await engine.hello()).pid).toBe(first.pid)
    first.kill('SIGKILL')
    await new Promise(resolve => first.once('exit', resolve))
    const second = run()
    onTestFinished(() => void second.kill('SIGKILL'))
    await until(async () => (await engine.hello()).pid === second.pid)
    await release()
    expect(second.exitCode).toBeNull()
    expect(lines.filter(line => line.includes('uses or3-cloud')).length).toBe(2)
  })
})

describe('what goes wrong is said', () => {
  test('another server has the data directory', async () => {
    const dataDir = folder()
    const server = spawn(inject('program'), ['serve', '--data', dataDir, '--addr', '127.0.0.1:0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: environment(),
    })
    onTestFinished(() => void server.kill('SIGKILL'))
    let log = ''
    server.stderr.on('data', (piece: Buffer) => (log += piece.toString()))
    await until(() => /ready/.test(log))
    const { engine } = start({ dataDir, patience: 10 })
    const found = await problem(engine.started())
    expect(found.code).toBe('ended')
    expect(found.message).toContain('a server (or3-cloud serve) and an engine cannot share a data directory')
    expect(found.message).toContain(inject('program'))
    await expect(engine.call('auth/setup', {}, undefined)).rejects.toMatchObject({ status: 503 })
  })

  test('a bad setting is the program\'s own words', async () => {
    const { engine, lines } = start({ env: { OR3_STRICT_CONFIG: 'true', OR3_PUBLIC_URL: 'nonsense' } })
    const found = await problem(engine.started())
    expect(found.message).toMatch(/OR3_PUBLIC_URL\n\s*wrong: "nonsense" is not an origin/)
    expect(found.message).toMatch(/ended with 1/)
    expect(lines.length).toBeGreaterThan(0)
  })

  test('a program without engine mode, with both versions and the command that helps', async () => {
    const path = program(
      '#!/bin/sh\n[ "$1" = version ] && { echo "or3-cloud 0.0.9"; exit; }\necho "Error: unknown command \\"engine\\" '
      + 'for \\"or3-cloud\\"" >&2\nexit 1\n',
    )
    const found = await problem(start({ env: { OR3_CLOUD_BIN: path } }).engine.started())
    expect(found.code).toBe('version')
    for (const text of [path, '0.0.9', `or3-cloud-engine ${packageVersion}`, `npm install --save-optional @or3-cloud/`])
      expect(found.message).toContain(text)
  })

  test('a running engine of another version, with both versions', async () => {
    const path = program(`#!${process.execPath}
const socket = require('node:path').join(require('node:os').tmpdir(), 'or3-skew-' + process.pid)
process.on('exit', () => require('node:fs').rmSync(socket, { force: true }))
process.stdin.on('end', () => process.exit()).resume()
require('node:http').createServer((_, response) => {
  response.end(JSON.stringify({ protocol: { oldest: 7, current: 9 }, version: '9.0.0', state: 'ready', methods: [], routes: [], pid: process.pid }))
}).listen(socket, () => console.log(JSON.stringify({ socket, place: '', version: '9.0.0', pid: process.pid, joined: true })))
`)
    const { engine } = start({ env: { OR3_CLOUD_BIN: path } })
    const found = await problem(engine.started())
    expect(found.code).toBe('version')
    for (const text of [
      'or3-cloud 9.0.0 speaks versions 7 to 9',
      'or3-provider-test/0.1.0 speaks version 1',
      path,
      'npm install',
    ])
      expect(found.message).toContain(text)
    await expect(engine.hello()).rejects.toMatchObject({ status: 503, retryAfter: 30, cause: found })
  })

  test.each([
    ['says something else', '#!/bin/sh\necho hello\ncat\n', 'version', 'printed "hello"'],
    ['says nothing', '#!/bin/sh\nexit 3\n', 'ended', 'ended with 3 and printed nothing'],
    ['ends by a signal', '#!/bin/sh\nkill -TERM $$\n', 'ended', 'was ended by SIGTERM'],
    ['is not a program', 'nonsense\n\0\x01', 'ended', 'ended with'],
    ['has an interpreter that is missing', '#!/none/such\n', 'ended', 'could not be started'],
  ])('a program that %s', async (_, text, code, says) => {
    const path = program(text)
    const found = await problem(start({ env: { OR3_CLOUD_BIN: path } }).engine.started())
    expect(found.code).toBe(code)
    expect(found.message).toContain(says)
    expect(found.message).toContain(path)
  })

  test('a program for another machine, with both platforms', async () => {
    const path = join(folder(), 'or3-cloud')
    const text = readFileSync(inject('program'))
    text.writeUInt16LE(process.arch === 'arm64' ? 0x3e : 0xb7, 18) // e_machine of ELF
    writeFileSync(path, text, { mode: 0o755 })
    const found = await problem(start({ env: { OR3_CLOUD_BIN: path } }).engine.started())
    expect(found.code).toBe('other-platform')
    expect(found.message).toContain(
      `it is a program for ${process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64'}, but this is `
      + `${targetOf(process.platform, process.arch)}`,
    )
    expect(found.message).toContain(path)
  })

  test('a lost execute bit is set again', async () => {
    const path = join(folder(), 'or3-cloud')
    copyFileSync(inject('program'), path)
    chmodSync(path, 0o644)
    expect((await start({ env: { OR3_CLOUD_BIN: path } }).engine.hello()).state).toBe('ready')
    expect(statSync(path).mode & 0o111).toBe(0o111)
  })

  test('a program that appears later is found without a new start of the host', async () => {
    const path = join(folder(), 'or3-cloud')
    const launched: number[] = []
    let now = 0
    const launcher: Launcher = {
      launch(tell) {
        launched.push(now)
        if (launched.length < 3) throw new EngineProblem('bad-setting', `no ${path}`)
        tell({ name: 'spoke', connection: { transport: new Transport({ socketPath: path }), hello: {} as never } })
        return { end: async () => undefined }
      },
    }
    const { vi } = await import('vitest')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const problems: string[] = []
      const supervisor = new Supervisor({
        launcher,
        now: () => now,
        random: () => 1,
        notify: notice => void (notice.name === 'problem' && problems.push(notice.problem.message)),
      })
      await expect(supervisor.started()).rejects.toThrow('no ')
      for (let second = 0; second < 60; second++) {
        now += 1000
        await vi.advanceTimersByTimeAsync(1000)
      }
      expect(launched).toEqual([0, 30_000, 60_000])
      expect(problems.length).toBe(1) // the same words once
      expect(supervisor.state).toBe('ready')
      const stopping = supervisor.stop()
      await vi.advanceTimersByTimeAsync(10_000)
      await stopping
    }
    finally {
      vi.useRealTimers()
    }
  })

  test('waiting has a bound, and news of a launch that is over count no more', async () => {
    let tell: (news: News) => void = () => undefined
    let ended = 0
    const supervisor = new Supervisor({
      launcher: {
        launch(told) {
          tell = told
          return { end: async () => void ended++ }
        },
      },
    })
    await expect(supervisor.ready(1)).rejects.toMatchObject({
      code: 'unavailable',
      status: 503,
      cause: new Error('the engine is starting'),
    })
    const stop = new AbortController()
    const waiting = supervisor.ready(1e6, stop.signal)
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(supervisor.ready(1e6, stop.signal)).rejects.toThrow('enough')
    const stuck = supervisor.ready(1e6)
    await supervisor.stop()
    await expect(stuck).rejects.toMatchObject({ status: 503 })
    tell({ name: 'spoke', connection: { transport: new Transport({ socketPath: '/none' }), hello: {} as never } })
    await Promise.resolve()
    expect([supervisor.state, ended]).toEqual(['stopped', 1])
  })
})

test('the program gets the environment of the host, without what is ours', async () => {
  const seen = join(folder(), 'env')
  const path = program(`#!/bin/sh\nenv > '${seen}.part'\nmv '${seen}.part' '${seen}'\nexit 1\n`)
  const { engine } = start({
    env: { OR3_CLOUD_BIN: path, OR3_PUBLIC_URL: 'https://chat.example', OR3_CLOUD_TARGETS: 'linux-x64' },
  })
  await problem(engine.started())
  const text = readFileSync(seen, 'utf8')
  expect(text).toContain('OR3_PUBLIC_URL=https://chat.example')
  expect(text).not.toMatch(/OR3_CLOUD_/)
  expect(readdirSync(join(seen, '..')).length).toBe(1)
  rmSync(seen)
})
