// The command line of the schedules: PROGRAM COUNT FIRST LANES.
import { runSchedules } from './run.js'

const [program, count, first, lanes] = process.argv.slice(2) as [string, string, string, string]
const failed = await runSchedules({
  program, count: Number(count), first: Number(first), lanes: Number(lanes), every: 100, say: line => void process.stdout.write(`${line}\n`),
})
process.exit(failed.length === 0 ? 0 : 1)
