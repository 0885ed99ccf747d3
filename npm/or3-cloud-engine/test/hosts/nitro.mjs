// A host whose plugin starts the engine, as Nitro runs it. It says when the plugin is through, and stays.
import { ProviderHost } from '../../dist/nitro.js'

const host = new ProviderHost({
  user: { name: 'or3-provider-host', version: '0.1.0' },
  createError: error => error,
  config: () => ({}),
})
host.start({ hooks: { hook: () => undefined } }, { mode: process.argv[2] })
process.stdout.write('registered\n')
setInterval(() => undefined, 60_000)
