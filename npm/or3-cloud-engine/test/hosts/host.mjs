// A host's process, or one of its workers: it uses the built package and tells its parent about the engine.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { useEngine } from '../../dist/index.js'

const tell = said => (isMainThread ? process.send?.(said) : parentPort.postMessage(said))
const { dataDir, env, stay } = isMainThread ? JSON.parse(process.argv[2]) : workerData
const { engine } = useEngine({
  user: { name: 'or3-provider-host', version: '0.1.0' },
  dataDir,
  search: { env },
  patience: 60_000,
})

async function report() {
  tell({ pid: (await engine.hello()).pid })
}
;(isMainThread ? process : parentPort).on('message', () => report().catch(error => tell({ error: error.message })))
await report()
if (!stay && isMainThread) process.disconnect() // now nothing but the engine is left, which must not keep us
