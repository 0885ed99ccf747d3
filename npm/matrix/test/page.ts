import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'

/** docs/nuxt-host.md. */
export const page = readFileSync(fileURLToPath(new URL('../../../docs/nuxt-host.md', import.meta.url)), 'utf8')

/** The block of the page that has this name, for the version and the system of this release. */
export function block(name: string): string {
  const { version, own } = inject('release')
  const [, text] = new RegExp(`^\`\`\`\\w+ ${name}\n(.*?)^\`\`\``, 'ms').exec(page) ?? []
  if (text === undefined) throw new Error(`docs/nuxt-host.md has no block ${name}`)
  return text.replaceAll('0.1.0', version).replaceAll('linux-x64', own)
}
