// Two workers of one server, which share its port: cluster.mjs SERVER
import cluster from 'node:cluster'

if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) process.stdout.write(`worker ${cluster.fork().process.pid}\n`)
}
else {
  await import(process.argv[2])
}
