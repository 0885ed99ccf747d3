/**
 * The part of the host's configuration that says where files are kept, and whether the rows that refer to them are
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
 * advice is what people who build the host, or the client for or3-cloud, should know; nothing if files are kept
 * elsewhere or not at all.
 */
export function advice({ storage, sync }: HostConfig, client: boolean): Advice[] {
  if (storage?.enabled !== true || storage.provider !== 'fs') return []
  const said: Advice[] = []
  if (client) said.push({ level: 'info', text: 'OR3 Cloud keeps the files: serve the public folder of this build with or3-cloud serve --web.' })
  // Devices find a file, and the server keeps it, because of the synchronized row that refers to it.
  if (sync?.enabled !== true) {
    said.push({ level: 'warn', text: 'Files are uploaded, but sync is off: no other device finds them, and the server deletes them as unused.' })
  }
  return said
}

/** What matters here about a build. */
export interface BuildOptions {
  nitro: { static?: boolean }
}

/**
 * isClient reports whether a build is the client for or3-cloud rather than a server of the host: a static build always
 * is, and a server build is if OR3_CLOUD_CLIENT=true.
 */
export function isClient({ nitro }: BuildOptions, env: Record<string, string | undefined> = process.env): boolean {
  return nitro.static === true || env.OR3_CLOUD_CLIENT === 'true'
}
