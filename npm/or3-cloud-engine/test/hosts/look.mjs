// Looks for the program and asks the engine, from a project into which the packages have been installed.
import { useEngine } from 'or3-cloud-engine'

const { engine, release } = useEngine({
  user: { name: 'or3-provider-look', version: '0.1.0' },
  dataDir: process.argv[2],
})
try {
  engine.check()
  process.stdout.write((await engine.started()).state)
}
catch (error) {
  process.stdout.write(`${error.code}: ${error.message}`)
}
await release()
