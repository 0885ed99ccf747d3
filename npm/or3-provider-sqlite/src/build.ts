import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NitroLike } from 'or3-cloud-engine/build'

/**
 * The page with which or3-cloud answers every navigation: the client without a server's part. Hosts of early 2026 make
 * it in static builds only.
 */
export const shell = '/200.html'

/** What of Nuxt's options tells what a build is for. */
export interface BuildOptions {
  dev: boolean
  nitro: { static?: boolean }
}

/**
 * isClient reports whether a build makes the client that or3-cloud serves, and not a server of the host: a static build
 * is nothing else, and of a server build OR3_CLOUD_CLIENT=true says so. Newer hosts have no static build with accounts.
 */
export function isClient({ dev, nitro }: BuildOptions, env: Record<string, string | undefined> = process.env): boolean {
  return !dev && (nitro.static === true || env.OR3_CLOUD_CLIENT === 'true')
}

/** What @vite-pwa/nuxt makes the service worker of, as far as it matters here. */
export interface WorkerOptions {
  outDir: string
  workbox?: { navigateFallback?: string | null }
}

/** The configuration of Nitro 2, as far as it matters here. */
interface NitroConfig {
  static?: boolean
  prerender?: { failOnError?: boolean }
  externals?: { traceInclude?: string[] }
}

/**
 * withFallback has the worker fall back to the shell where the build lacks the page that it falls back to: such a
 * worker would not install.
 */
export function withFallback({ outDir, workbox }: WorkerOptions): void {
  const page = workbox?.navigateFallback
  if (workbox && page && !existsSync(join(outDir, page.endsWith('/') ? `${page}index.html` : page))) workbox.navigateFallback = shell
}

/**
 * keepExternalsAbsolute lets Nitro find what Vite leaves to it. Nuxt 4.2 would name files below shared/ relative to a
 * folder that they are not in.
 */
export function keepExternalsAbsolute(vite: { build?: { rollupOptions?: { makeAbsoluteExternalsRelative?: unknown } } }): void {
  if (vite.build?.rollupOptions) vite.build.rollupOptions.makeAbsoluteExternalsRelative = false
}

/**
 * goOnWithoutPages goes on with a static build where a page cannot be rendered without the host's server: the shell
 * stands in for every page.
 */
export function goOnWithoutPages(nitro: object): void {
  const { static: isStatic, prerender } = nitro as NitroConfig
  if (isStatic && prerender) prerender.failOnError = false
}

/**
 * copyNoOtherSQLite takes better-sqlite3 from the files to be copied, which newer hosts name whenever this provider is
 * chosen: OR3 Cloud brings its own SQLite, and a host is built without that add-on.
 */
export function copyNoOtherSQLite(nitro: object): void {
  const { externals } = nitro as NitroConfig
  if (externals?.traceInclude) externals.traceInclude = externals.traceInclude.filter(file => !/(?:^|[\\/])better-sqlite3(?:[\\/]|$)/.test(file))
}

/**
 * What package.json says of where names lead: a path, or an object of conditions and names, in the order in which Node
 * tries them.
 */
type Target = string | null | undefined | Target[] | { [conditionOrName: string]: Target }

/**
 * asForProduction has a target lead, under Node's usual conditions, where it leads under the condition `production`.
 */
function asForProduction(target: Target): Target {
  if (typeof target !== 'object' || target === null) return target
  if (Array.isArray(target)) return target.map(asForProduction)
  const targets = Object.entries(target).filter(([key]) => key !== 'development').map(([key, value]) => [key, asForProduction(value)] as const)
  const at = targets.findIndex(([key]) => key === 'production')
  const production = targets[at]
  if (!production) return Object.fromEntries(targets)
  return { ...Object.fromEntries(targets.slice(0, at)), default: [production[1], Object.fromEntries(targets.slice(at + 1))] }
}

/**
 * resolveAsCopied has the packages in a build lead to the files that were copied, when the server is started by plain
 * `node`. Nitro copies the files of the condition `production`, which Node has only with `-C production`, and writes
 * them into package.json where another condition comes first: `import { liveQuery } from 'dexie'` gets the file that is
 * for `require`, and every page is answered 500. Newer hosts bundle dexie.
 */
export function resolveAsCopied({ options: { dev, output }, hooks }: NitroLike): void {
  if (dev) return
  hooks.hook('compiled', () => {
    const folder = join(output.serverDir, 'node_modules')
    if (!existsSync(folder)) return
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.name !== 'package.json' || !entry.isFile()) continue
      const file = join(entry.parentPath, entry.name)
      const was = JSON.parse(readFileSync(file, 'utf8')) as { exports?: Target, imports?: Target }
      const json = JSON.stringify({ ...was, exports: asForProduction(was.exports), imports: asForProduction(was.imports) }, null, 2)
      if (json !== JSON.stringify(was, null, 2)) writeFileSync(file, json)
    }
  })
}

/**
 * askNobodyElse keeps Nuxt Icon from asking a public service for an icon when or3-cloud, which has them, takes longer
 * than usual.
 */
export function askNobodyElse(app: { icon?: unknown }): void {
  if (typeof app.icon === 'object' && app.icon !== null) Reflect.set(app.icon, 'fallbackToApi', false)
}

/** What of Nitro tells of the pages that a build renders. */
export interface Renderer {
  hooks: { hook(name: 'prerender:init' | 'prerender:done', act: () => void): unknown }
}

/**
 * letBuildEnd keeps the timers of the host's server, which is loaded to render pages, from holding the build after its
 * end.
 */
export function letBuildEnd({ hooks }: Renderer, on: { setInterval: typeof setInterval } = globalThis): void {
  const { setInterval } = on
  hooks.hook('prerender:init', () => {
    on.setInterval = ((...timer: Parameters<typeof setInterval>) => setInterval(...timer).unref()) as typeof setInterval
  })
  hooks.hook('prerender:done', () => {
    on.setInterval = setInterval
  })
}
