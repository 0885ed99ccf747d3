// The matrix against this program, which serves the page itself.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { remove } from '../../or3-cloud-engine/test/folders.js'
import { buildDevice } from '../matrix/build.js'
import { settings, type Host } from '../matrix/host.js'
import { matrix } from '../matrix/matrix.js'
import { Server } from './rig.js'

matrix(async (): Promise<Host> => {
  const page = mkdtempSync(join(tmpdir(), 'or3-device-'))
  await buildDevice(page)
  const server = await Server.start({ ...settings, OR3_BACKGROUND_STREAMING_ENABLED: 'true', OR3_ADMIN_USERNAME: 'admin', OR3_ADMIN_PASSWORD: 'Correct-Horse-9-Battery' }, '--web', page)
  return {
    url: server.url,
    page: '/',
    get log() {
      return server.log
    },
    start: () => server.start(),
    kill: () => server.stop('SIGKILL'),
    remove: async () => {
      await server.remove()
      await remove(page)
    },
    operate: (...command) => server.operate(...command),
    serves: () => true,
  }
})
