import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { carriedFile, carriedFolder, executable, findBinary, moduleFile, type Search } from '../src/binary.js'
import { carryEngine, type NitroLike } from '../src/build.js'
import { EngineProblem } from '../src/errors.js'
import { builtFor } from '../src/format.js'
import {
  packageVersion,
  platformPackage,
  programFile,
  targetOf,
  targets,
  versionOf,
  type Target,
} from '../src/package.js'
import { environment, folder } from './rig.js'

const own = targetOf(process.platform, process.arch)
const home = fileURLToPath(new URL('..', import.meta.url))

function problem(run: () => unknown): EngineProblem {
  try {
    run()
  }
  catch (error) {
    if (error instanceof EngineProblem) return error
    throw error
  }
  throw new Error('no problem')
}

/** A folder with packages of these platforms, as a package manager leaves them; the program is the real one. */
function installed(...platforms: Target[]): { root: string, here: string } {
  const root = folder()
  const here = join(root, 'node_modules/or3-cloud-engine/dist/binary.js')
  mkdirSync(dirname(here), { recursive: true })
  writeFileSync(here, '')
  for (const target of platforms) {
    const at = join(root, 'node_modules', platformPackage(target))
    mkdirSync(join(at, 'bin'), { recursive: true })
    writeFileSync(join(at, 'package.json'), JSON.stringify({ name: platformPackage(target), version: packageVersion }))
    cpSync(inject('program'), join(at, 'bin', programFile(target)))
  }
  return { root, here }
}

function at(target: Target): Pick<Search, 'platform' | 'arch'> {
  const [platform = '', arch = ''] = target.split('-')
  return { platform, arch }
}

test('the version that is written in the code is that of the package', () => {
  expect(versionOf(join(home, 'package.json'))).toBe(packageVersion)
})

describe('finding the program', () => {
  test('the package of each platform is found from the file of this package alone', () => {
    const { root, here } = installed(...targets)
    for (const target of targets) {
      expect(findBinary({ env: {}, here, ...at(target) })).toEqual({
        path: join(root, 'node_modules', platformPackage(target), 'bin', programFile(target)),
        from: `${platformPackage(target)} ${packageVersion}`,
      })
    }
    // The package in the working directory is not used: process.cwd() does not matter.
    const elsewhere = join(folder(), 'dist/binary.js')
    mkdirSync(dirname(elsewhere))
    const before = process.cwd()
    process.chdir(installed(own).root)
    try {
      expect(problem(() => findBinary({ env: {}, here: elsewhere })).code).toBe('not-installed')
    }
    finally {
      process.chdir(before)
    }
  })

  test('OR3_CLOUD_BIN comes first, and is an error when it is wrong', () => {
    const { here, root } = installed(own)
    expect(findBinary({ env: { OR3_CLOUD_BIN: ` ${inject('program')} ` }, here })).toEqual({
      path: inject('program'),
      from: 'OR3_CLOUD_BIN',
    })
    for (const [path, says] of [
      [join(root, 'none'), 'there is no such file'],
      [root, 'is not a file'],
    ] as const) {
      const found = problem(() => findBinary({ env: { OR3_CLOUD_BIN: path }, here }))
      expect(found.code).toBe('bad-setting')
      expect(found.message).toContain(`OR3_CLOUD_BIN is ${path}`)
      expect(found.message).toContain(says)
    }
    expect(findBinary({ env: { OR3_CLOUD_BIN: '' }, here }).from).toContain(platformPackage(own))
  })

  test('a system without a program, a missing package, a foreign node_modules, a file that is gone', () => {
    const { here } = installed()
    const none = problem(() => findBinary({ env: {}, here, platform: 'sunos', arch: 'x64' }))
    expect([none.code, none.message]).toEqual([
      'unsupported-platform',
      expect.stringContaining('There is no or3-cloud for sunos-x64'),
    ])
    const missing = problem(() => findBinary({ env: {}, here, ...at('linux-arm64') }))
    expect(missing.code).toBe('not-installed')
    for (const text of [
      `@or3-cloud/linux-arm64 ${packageVersion}`,
      `or3-cloud-engine (${dirname(here)})`,
      `npm install --save-optional @or3-cloud/linux-arm64@${packageVersion}`,
      'OR3_CLOUD_BIN',
    ]) {
      expect(missing.message).toContain(text)
    }
    const foreign = installed('darwin-arm64')
    const other = problem(() => findBinary({ env: {}, here: foreign.here, ...at('linux-x64') }))
    expect([other.code, other.message]).toEqual([
      'other-platform',
      expect.stringContaining('has or3-cloud for darwin-arm64, but this is linux-x64'),
    ])
    const damaged = installed(own)
    renameSync(join(damaged.root, 'node_modules', platformPackage(own), 'bin'), join(damaged.root, 'gone'))
    const gone = problem(() => findBinary({ env: {}, here: damaged.here }))
    expect([gone.code, gone.message]).toEqual([
      'not-installed',
      expect.stringContaining(`is missing from the package ${platformPackage(own)} ${packageVersion}`),
    ])
  })

  test('a program says for which machine it is', () => {
    expect(builtFor(inject('program'))).toBe(own)
    const path = join(folder(), 'p')
    const header = (bytes: number[], more: [number, number][] = []): string => {
      const head = Buffer.alloc(256)
      Buffer.from(bytes).copy(head)
      for (const [offset, value] of more) head.writeUInt16LE(value, offset)
      writeFileSync(path, head)
      return path
    }
    expect(builtFor(header([0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 0x01]))).toBe('darwin-arm64')
    expect(
      builtFor(
        header(
          [0x4d, 0x5a],
          [
            [0x3c, 0x80],
            [0x84, 0x8664],
          ],
        ),
      ),
    ).toBe('win32-x64')
    expect(
      builtFor(
        header(
          [0x4d, 0x5a],
          [
            [0x3c, 0xffff],
            [0x3e, 0xffff],
          ],
        ),
      ),
    ).toBeUndefined()
    expect(builtFor(header([0x7f, 0x45, 0x4c, 0x46], [[18, 0x1234]]))).toBeUndefined()
    expect(builtFor(header([...Buffer.from('#!/bin/sh')]))).toBeUndefined()
    expect(builtFor(join(folder(), 'none'))).toBeUndefined()
  })
})

describe('a file that cannot be executed', () => {
  const refuse = (): never => {
    throw new Error('EROFS: read-only file system')
  }

  test('gets its bit back', () => {
    const { root, here } = installed(own)
    const found = findBinary({ env: {}, here })
    chmodSync(found.path, 0o644)
    expect(executable(found, { caches: [join(root, 'cache')] })).toBe(found.path)
    expect(statSync(found.path).mode & 0o111).toBe(0o111)
    expect(existsSync(join(root, 'cache'))).toBe(false)
  })

  test('is copied where the file system is read-only, once', () => {
    const { root, here } = installed(own)
    const found = findBinary({ env: {}, here })
    chmodSync(found.path, 0o644)
    const chmod = (path: string, mode: number): void => (path === found.path ? refuse() : chmodSync(path, mode))
    const cache = join(root, 'cache')
    const copy = executable(found, { chmod, caches: [cache] })
    expect(dirname(copy)).toBe(cache)
    expect(statSync(cache).mode & 0o777).toBe(0o700)
    expect(readFileSync(copy).equals(readFileSync(found.path))).toBe(true)
    const { ino } = statSync(copy)
    expect(executable(found, { chmod, caches: [cache] })).toBe(copy)
    expect(statSync(copy).ino).toBe(ino)
  })

  test('is copied to the next folder where the first is mounted with noexec, or is not ours alone', () => {
    const { root, here } = installed(own)
    const found = findBinary({ env: {}, here })
    const [first, open, link, second] = ['first', 'open', 'link', 'second'].map(name => join(root, name)) as [
      string,
      string,
      string,
      string,
    ]
    mkdirSync(open, { mode: 0o777 })
    chmodSync(open, 0o777)
    symlinkSync(root, link)
    const copy = executable(found, { mayExecute: path => path.startsWith(second), caches: [first, open, link, second] })
    expect(dirname(copy)).toBe(second)
  })

  test('is named with all that was tried, and what helps', () => {
    const { root, here } = installed(own)
    const found = findBinary({ env: {}, here })
    const open = join(root, 'open')
    mkdirSync(open)
    chmodSync(open, 0o777)
    const said = problem(() =>
      executable(found, { chmod: refuse, mayExecute: () => false, caches: [join(root, 'cache'), open] }),
    )
    expect(said.code).toBe('not-executable')
    for (const text of [
      found.path,
      found.from,
      'EROFS',
      `cannot be copied to ${open} (another user may write to it)`,
      `chmod +x '${found.path}'`,
      'OR3_CLOUD_BIN',
    ])
      expect(said.message).toContain(text)
  })
})

describe('a build of the host', () => {
  /** What Nitro makes: the package as it traces it, and, for hosts that bundle it, as a chunk. */
  function output(inlined: boolean): { serverDir: string, entry: string } {
    const serverDir = join(folder(), '.output/server')
    const place = join(serverDir, inlined ? 'chunks/nitro' : 'node_modules/or3-cloud-engine/dist')
    mkdirSync(place, { recursive: true })
    cpSync(join(home, 'dist'), place, { recursive: true })
    writeFileSync(join(serverDir, 'package.json'), '{"type":"module"}')
    if (!inlined) cpSync(join(home, 'package.json'), join(place, '../package.json'))
    const text = readFileSync(join(home, 'test/hosts/look.mjs'), 'utf8')
    writeFileSync(
      join(serverDir, 'index.mjs'),
      inlined ? text.replace('\'or3-cloud-engine\'', '\'./chunks/nitro/index.js\'') : text,
    )
    return { serverDir, entry: 'index.mjs' }
  }

  function nitro(
    serverDir: string,
    options: Partial<NitroLike['options']> = {},
  ): { nitro: NitroLike, compile: () => void, hooked: () => number } {
    const hooks: (() => void)[] = []
    return {
      nitro: {
        options: { dev: false, preset: 'node-server', output: { serverDir }, ...options },
        hooks: { hook: (_, run) => hooks.push(run) },
      },
      compile: () => hooks.forEach(run => run()),
      hooked: () => hooks.length,
    }
  }

  const run = (entry: string, env: Record<string, string>): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(process.execPath, [entry, join(folder(), 'data')], { env, cwd: '/' }, (error, stdout, stderr) =>
        error ? reject(new Error(stdout + stderr)) : resolve(stdout),
      )
    })
  const bare = (): Record<string, string> => {
    const { OR3_CLOUD_BIN, ...env } = environment()
    return env
  }

  test.each([
    ['traced', false],
    ['bundled', true],
  ])('brings the program along and works where it is moved to, %s', async (_, inlined) => {
    const { serverDir, entry } = output(inlined)
    const build = nitro(serverDir)
    carryEngine(build.nitro, { env: {}, here: installed(own).here })
    build.compile()
    const moved = join(folder(), 'elsewhere')
    renameSync(join(serverDir, '..'), moved)
    const program = join(moved, 'server', carriedFolder, own, programFile(own))
    expect(statSync(program).mode & 0o111).toBe(0o111)
    expect(await run(join(moved, 'server', entry), bare())).toBe('ready')
    chmodSync(program, 0o644) // lost by an archive
    expect(await run(join(moved, 'server', entry), bare())).toBe('ready')
  })

  test('that runs on another platform than it was built for says both, and what to build', async () => {
    const { serverDir, entry } = output(false)
    const foreign = own === 'linux-arm64' ? 'linux-x64' : 'linux-arm64'
    const build = nitro(serverDir)
    carryEngine(build.nitro, { env: { OR3_CLOUD_TARGETS: foreign }, here: installed(foreign).here })
    build.compile()
    const said = await run(join(serverDir, entry), bare())
    expect(said).toMatch(/^other-platform: /)
    for (const text of [
      `was built on ${own}`,
      `for ${foreign}`,
      `it runs on ${own}`,
      `OR3_CLOUD_TARGETS=${own}`,
      `npm install --os=${process.platform} --cpu=${process.arch}`,
      'bun install --os',
    ])
      expect(said).toContain(text)
    expect(await run(join(serverDir, entry), { ...bare(), OR3_CLOUD_BIN: inject('program') })).toBe('ready')
  })

  test('may carry several programs, and no leftovers', () => {
    const { serverDir } = output(false)
    const { here } = installed('linux-x64', 'linux-arm64', 'win32-x64')
    const build = nitro(serverDir)
    carryEngine(build.nitro, { env: { OR3_CLOUD_TARGETS: 'linux-x64, linux-arm64,win32-x64' }, here })
    build.compile()
    for (const target of ['linux-x64', 'linux-arm64', 'win32-x64'] as const)
      expect(findBinary({ env: {}, here: join(serverDir, 'chunks/a/b.mjs'), ...at(target) }).from).toBe(
        `the build, or3-cloud-engine ${packageVersion}`,
      )
    const next = nitro(serverDir)
    carryEngine(next.nitro, { env: { OR3_CLOUD_TARGETS: 'linux-x64' }, here })
    next.compile()
    expect(existsSync(join(serverDir, carriedFolder, 'linux-arm64'))).toBe(false)
    writeFileSync(join(serverDir, carriedFolder, carriedFile), '{}')
    expect(problem(() => findBinary({ env: {}, here: join(serverDir, 'a.mjs') })).message).toContain(
      'is damaged; build the host again',
    )
  })

  test('is found by a server that does not know its own URL while it starts', () => {
    const { serverDir, entry } = output(true)
    const build = nitro(serverDir)
    carryEngine(build.nitro, { env: {}, here: installed(own).here })
    build.compile()
    const script = join(serverDir, entry)
    expect(moduleFile(pathToFileURL(script).href, '/usr/bin/other.mjs')).toBe(script)
    for (const url of ['file:///_entry.js', 'file://host/_entry.js']) {
      expect(findBinary({ env: {}, here: moduleFile(url, script) }).from).toContain('the build')
    }
  })

  test('stops where it cannot work, and carries nothing where no server is built', () => {
    const { here } = installed(own)
    for (const preset of ['cloudflare-module', 'static', 'vercel_edge']) {
      const said = problem(() => carryEngine(nitro('/none', { preset }).nitro, { env: {}, here }))
      expect([said.code, said.message]).toEqual([
        'unsupported-platform',
        expect.stringContaining(`The Nitro preset ${preset} is not supported`),
      ])
    }
    expect(
      problem(() => carryEngine(nitro('/none').nitro, { env: { OR3_CLOUD_TARGETS: 'linux-x64,toaster' }, here }))
        .message,
    ).toContain('names toaster')
    const missing = problem(() =>
      carryEngine(nitro('/none').nitro, { env: { OR3_CLOUD_TARGETS: 'freebsd-x64' }, here }),
    )
    expect([missing.code, missing.message]).toEqual([
      'not-installed',
      expect.stringContaining('npm install --os=freebsd --cpu=x64'),
    ])
    for (const without of [{ dev: true, preset: 'nitro-dev' }, { static: true, preset: 'static' }]) {
      const build = nitro('/none', without)
      carryEngine(build.nitro, { env: {}, here })
      expect(build.hooked()).toBe(0)
    }
  })

  test('without a program is built, and says at its start what is missing', async () => {
    const { serverDir, entry } = output(false)
    const build = nitro(serverDir)
    carryEngine(build.nitro, { env: {}, here: installed().here })
    build.compile()
    expect(await run(join(serverDir, entry), bare())).toMatch(/^not-installed: /)
    expect(await run(join(serverDir, entry), { ...bare(), OR3_CLOUD_BIN: inject('program') })).toBe('ready')
  })
})
