import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { EngineProblem } from './errors.js'

/** Where an engine listens: a Unix socket, or a port of this machine that requires a secret. */
export type Place = { socketPath: string } | { host: string, port: number, secret: string }

/** The longest socket path that every system accepts: macOS allows 104 bytes, including the terminating zero. */
const maxSocketPath = 103

function object(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  }
  catch {
    return undefined
  }
}

function at(address: string, secret: string): Place | undefined {
  const match = /^(127\.\d+\.\d+\.\d+|\[::1\]):(\d{1,5})$/.exec(address)
  return match?.[1] && match[2] ? { host: match[1].replace(/[[\]]/g, ''), port: Number(match[2]), secret } : undefined
}

/** What `or3-cloud engine` prints on standard output, as one line. */
export interface Announcement {
  place: Place
  version: string
  pid: number
  /** Another process is the engine; this one keeps it alive. */
  joined: boolean
}

/** Reads a line of the command. The secret of a loopback address is in the file that the line names. */
export function readAnnouncement(line: string): Announcement | undefined {
  const said = object(line)
  if (!said || typeof said.pid !== 'number' || typeof said.version !== 'string') return undefined
  let place: Place | undefined
  if (typeof said.socket === 'string') place = { socketPath: said.socket }
  else if (typeof said.address === 'string' && typeof said.place === 'string') place = readPlaceFile(said.place)
  return place && { place, version: said.version, pid: said.pid, joined: said.joined === true }
}

/** Reads engine.json of a data directory; undefined if there is no engine, or it is still starting. */
export function readPlaceFile(path: string): Place | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  }
  catch {
    return undefined
  }
  const said = object(text)
  if (typeof said?.socket === 'string') return { socketPath: said.socket }
  if (typeof said?.address === 'string' && typeof said.secret === 'string') return at(said.address, said.secret)
  return undefined
}

/**
 * Reads OR3_CLOUD_URL: `unix:/path/to/engine.sock`, or `file:/path/to/engine.json`, which is read again whenever the
 * engine has to be found, because a loopback address and its secret change with each start.
 */
export function placeOfURL(url: string): () => Place | undefined {
  if (url.startsWith('unix:')) {
    const socketPath = url.slice('unix:'.length).replace(/^\/\/(?=\/)/, '')
    const bytes = Buffer.byteLength(socketPath)
    if (!socketPath.startsWith('/'))
      throw new EngineProblem(
        'bad-setting',
        `OR3_CLOUD_URL=${url} does not name an absolute path, such as unix:/data/engine.sock`,
      )
    if (bytes > maxSocketPath) {
      throw new EngineProblem(
        'bad-setting',
        `OR3_CLOUD_URL names a socket whose path has ${bytes} bytes; the maximum is ${maxSocketPath}. `
        + `Use a shorter symbolic link: ln -s '${socketPath.replace(/\/[^/]*$/, '')}' /run/or3-cloud, then `
        + `OR3_CLOUD_URL=unix:/run/or3-cloud/${socketPath.replace(/^.*\//, '')}`,
      )
    }
    return () => ({ socketPath })
  }
  if (url.startsWith('file:')) {
    let path: string
    try {
      path = fileURLToPath(url)
    }
    catch (cause) {
      throw new EngineProblem(
        'bad-setting',
        `OR3_CLOUD_URL=${url} is not the path of a file, such as file:///data/engine.json`,
        { cause },
      )
    }
    return () => readPlaceFile(path)
  }
  throw new EngineProblem(
    'bad-setting',
    'OR3_CLOUD_URL must be unix:/DATA/engine.sock, or file:///DATA/engine.json, which contains the address and secret '
    + 'of an '
    + 'engine that was started with --loopback',
  )
}
