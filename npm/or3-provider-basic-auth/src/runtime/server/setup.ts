import { setTimeout as pause } from 'node:timers/promises'
import type { ProviderHost } from 'or3-cloud-engine/nitro'

/** How long to wait before looking again for an engine that does not start, in milliseconds. */
const rest = 5_000

/** Prints the one-time link for creating the first account, as soon as there is an engine. */
export async function announceSetup(
  cloud: ProviderHost,
  address: string,
  print: (text: string) => void = text => process.stdout.write(text),
): Promise<void> {
  try {
    while (!(await ready(cloud))) await pause(rest, undefined, { ref: false })
    const { fragments } = await cloud.engine.call('auth/setup', {}, undefined)
    for (const fragment of fragments) {
      print(`There is no account yet. Create the first one here, once:\n\n    ${address}#${fragment}\n\n`)
    }
  }
  catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    if (cloud.running) process.stderr.write(`or3-provider-basic-auth: cannot create the link for the first account: ${why}\n`)
  }
}

async function ready(cloud: ProviderHost): Promise<boolean> {
  const { engine } = cloud
  return engine.started().then(() => true, () => false)
}

/** Where browsers find the host, as far as its environment tells: OR3_PUBLIC_URL, or the port of this machine. */
export function addressOf(env: Readonly<Record<string, string | undefined>>, baseURL = '/'): string {
  const { OR3_PUBLIC_URL, NITRO_PORT, PORT, NITRO_SSL_CERT } = env
  const own = `${NITRO_SSL_CERT ? 'https' : 'http'}://localhost:${NITRO_PORT || PORT || 3000}`
  return (OR3_PUBLIC_URL || own).replace(/\/$/, '') + baseURL
}
