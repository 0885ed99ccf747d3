/**
 * The part of the host's configuration that says where files are kept, and whether the rows that name them are
 * synchronized.
 */
export interface HostConfig {
  storage?: { enabled?: unknown, provider?: unknown }
  sync?: { enabled?: unknown }
}

export interface Advice {
  level: 'info' | 'warn'
  text: string
}

/**
 * advice is what people who build the host, or the client of or3-cloud, should know; nothing when files are kept
 * elsewhere or not at all.
 */
export function advice({ storage, sync }: HostConfig, client: boolean): Advice[] {
  if (storage?.enabled !== true || storage.provider !== 'fs') return []
  const said: Advice[] = []
  if (client) said.push({ level: 'info', text: 'OR3 Cloud keeps the files: serve the public folder of this build with or3-cloud serve --web.' })
  // A file is found again, and kept, because of the synchronized row that names it.
  if (sync?.enabled !== true) {
    said.push({ level: 'warn', text: 'Files are uploaded, but sync is off: no other device finds them, and the server deletes them as unused.' })
  }
  return said
}

/** The kind of a build, as far as it matters here. */
export interface BuildOptions {
  nitro: { static?: boolean }
}

/**
 * isClient reports whether a build makes the client that or3-cloud serves, and not a server of the host: a static build
 * is nothing else, and of a server build OR3_CLOUD_CLIENT=true says so.
 */
export function isClient({ nitro }: BuildOptions, env: Record<string, string | undefined> = process.env): boolean {
  return nitro.static === true || env.OR3_CLOUD_CLIENT === 'true'
}
