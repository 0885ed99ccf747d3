// Lives the devices of test/schedules through many schedules: node scripts/schedules.mjs PROGRAM COUNT FIRST LANES
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { build } from 'vite'

const folder = resolve(`dist-schedules-${process.pid}`)
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
await build({
  configFile: false,
  logLevel: 'error',
  build: { ssr: 'test/schedules/main.ts', outDir: folder, emptyOutDir: true, target: 'node20', minify: false },
})
await import(resolve(folder, 'main.js'))
