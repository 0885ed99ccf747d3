import type { World } from '../world.js'
import { killed, leaderClosed } from './faults.js'
import { deleteAndCollect, uploadAndDownload } from './files.js'
import { gates } from './gates.js'
import { sessionRefresh, signOut, viewer, workspaces } from './people.js'
import { bothWays, hoursOffline, messageOrder, sameRowOffline } from './sync.js'

/** What is tried on each host in each browser, by what it shows. */
export const scenarios: Record<string, (world: World) => Promise<void>> = {
  'two devices sync both ways': bothWays,
  'a row that two devices have edited offline is the later one on both, and the other edit is told': sameRowOffline,
  'messages stand in one order on all devices': messageOrder,
  'a device that was offline for hours and thousands of edits catches up, and so do the others': hoursOffline,
  'a host that is killed under load loses nothing that it has acknowledged, and has nothing twice': killed,
  'when the tab that syncs is closed another one goes on': leaderClosed,
  'a file that one device uploads is on the other, byte for byte': uploadAndDownload,
  'what is deleted goes from all devices, and the content of files from the host': deleteAndCollect,
  'workspaces are apart': workspaces,
  'no endpoint opens to whom it is not for': gates,
  'a viewer cannot write, is told so, and keeps what was written': viewer,
  'sessions go on when access tokens run out, in two tabs at once': sessionRefresh,
  'signing out ends sync everywhere it should, and loses nothing': signOut,
}
