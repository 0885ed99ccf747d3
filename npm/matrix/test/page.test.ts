// What docs/nuxt-host.md says about messages is what is said.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { page } from './page.js'

/** The texts of a folder's sources, as they come out: without the joints of long lines. */
function texts(folder: string): string {
  const path = fileURLToPath(new URL(`../../${folder}`, import.meta.url))
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => readFileSync(join(path, name), 'utf8'))
    .join('\n')
    .replaceAll(/['`]\s*\+\s*['`]/g, '')
}

test('each message of the page is one of ours, of the host\'s or of npm', () => {
  const said = `${texts('or3-cloud-engine/src')}${texts('host-fixture/host')}${texts('host-fixture/forms')} EOVERRIDE`
  const [, table = ''] = /^## Troubleshooting$(.*)/ms.exec(page) ?? []
  const messages = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, message = '']) => message)
  expect(messages.length).toBeGreaterThan(5)
  const parts = messages.flatMap(message => message.split('…'))
  expect(parts.filter(part => !said.includes(part))).toEqual([])
})
