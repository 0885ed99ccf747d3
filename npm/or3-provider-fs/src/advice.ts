/** The part of the host's configuration that says where files are kept, and whether the rows that name them are synchronized. */
export interface HostConfig {
  storage?: { enabled?: unknown, provider?: unknown }
  sync?: { enabled?: unknown }
}

export interface Advice {
  level: 'info' | 'warn'
  text: string
}

/** advice is what whoever builds the client should know; nothing when files are kept elsewhere or not at all. */
export function advice({ storage, sync }: HostConfig): Advice[] {
  if (storage?.enabled !== true || storage.provider !== 'fs') return []
  const served: Advice = { level: 'info', text: 'OR3 Cloud keeps the files: serve the public folder of this build with or3-cloud serve --web.' }
  if (sync?.enabled === true) return [served]
  // A file is found again, and kept, because of the synchronized row that names it.
  return [served, { level: 'warn', text: 'Files are uploaded, but sync is off: no other device finds them, and the server deletes them as unused.' }]
}
