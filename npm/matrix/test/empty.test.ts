// What an operator does first: an empty Nuxt project with the packages, and no cloud yet.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, test } from 'vitest'
import { Host } from './host.js'
import { managers, Project } from './managers.js'
import { providers } from './release.js'

const { version } = inject('release')

test.each(managers)('with $name an empty project installs, type-checks, builds and starts, and nothing of ours shows', async ({ command, install }) => {
  const project = new Project({
    dependencies: {
      '@nuxt/ui': '3.3.7', 'nuxt': '4.2.2', 'tailwindcss': '^4.1.16',
      ...Object.fromEntries(providers.map(name => [name, version])),
    },
    devDependencies: { 'typescript': '5.9.3', 'vue-tsc': '3.3.14', '@types/node': '^20.19.0' },
  })
  cpSync(fileURLToPath(new URL('../hosts/empty', import.meta.url)), project.path, { recursive: true })
  await project.run(command, install)
  const said = await project.run('nuxt', ['build']) // which writes the types, too
  await project.run('vue-tsc', ['-b', '--noEmit'])
  expect(said).not.toMatch(/warn/i)
  expect(said).not.toMatch(/or3/i)

  const host = new Host(process.execPath, join(project.path, '.output'), project.env)
  expect(await (await fetch(await host.url())).text()).toContain('An empty host')
  expect(host.said).not.toMatch(/or3/i)
})
