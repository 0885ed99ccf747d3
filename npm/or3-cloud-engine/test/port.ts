// A port for a server, for the tests of all packages.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/**
 * Returns a port that was free a moment ago: an address has to be known before its server starts, since links are made
 * from it.
 */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
