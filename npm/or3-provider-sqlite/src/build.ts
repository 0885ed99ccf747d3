import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NitroLike } from 'or3-cloud-engine/build'

/**
 * The page that or3-cloud returns for every navigation: the client without server rendering. Hosts of early 2026 create
 * it in static builds only.
 */
export const shell = '/200.html'

/** The Nuxt options that say what a build is for. */
export interface BuildOptions {
  dev: boolean
  nitro: { static?: boolean }
}

/**
 * isClient reports whether a build is the client for or3-cloud rather than a server of the host: a static build always
 * is, and a server build is if OR3_CLOUD_CLIENT=true. Newer hosts have no static build with accounts.
 */
export function isClient({ dev, nitro }: BuildOptions, env: Record<string, string | undefined> = process.env): boolean {
  return !dev && (nitro.static === true || env.OR3_CLOUD_CLIENT === 'true')
}

/** The part of the @vite-pwa/nuxt options that matters here. */
export interface WorkerOptions {
  outDir: string
  workbox?: { navigateFallback?: string | null }
}

/** The part of the Nitro 2 configuration that matters here. */
interface NitroConfig {
  static?: boolean
  prerender?: { failOnError?: boolean }
  externals?: { traceInclude?: string[] }
}

/**
 * withFallback makes the worker fall back to the shell if the build lacks the configured fallback page: without it,
 * the worker would not install.
 */
export function withFallback({ outDir, workbox }: WorkerOptions): void {
  const page = workbox?.navigateFallback
  if (workbox && page && !existsSync(join(outDir, page.endsWith('/') ? `${page}index.html` : page))) workbox.navigateFallback = shell
}

/**
 * keepExternalsAbsolute lets Nitro resolve Vite's externals. Nuxt 4.2 would make paths below shared/ relative to the
 * wrong folder.
 */
export function keepExternalsAbsolute(vite: { build?: { rollupOptions?: { makeAbsoluteExternalsRelative?: unknown } } }): void {
  if (vite.build?.rollupOptions) vite.build.rollupOptions.makeAbsoluteExternalsRelative = false
}

/**
 * goOnWithoutPages continues a static build if a page cannot be rendered without the host's server: the shell
 * is used for every page.
 */
export function goOnWithoutPages(nitro: object): void {
  const { static: isStatic, prerender } = nitro as NitroConfig
  if (isStatic && prerender) prerender.failOnError = false
}

/**
 * copyNoOtherSQLite removes better-sqlite3 from the files to copy, which newer hosts include whenever this provider is
 * selected: OR3 Cloud has its own SQLite, and a host is built without that add-on.
 */
export function copyNoOtherSQLite(nitro: object): void {
  const { externals } = nitro as NitroConfig
  if (externals?.traceInclude) externals.traceInclude = externals.traceInclude.filter(file => !/(?:^|[\\/])better-sqlite3(?:[\\/]|$)/.test(file))
}

/**
 * A target in the exports of package.json: a path, or an object of conditions and subpaths, in the order in which Node
 * tries them.
 */
type Target = string | null | undefined | Target[] | { [conditionOrName: string]: Target }

/**
 * asForProduction makes a target resolve, under Node's default conditions, as it does under the condition `production`.
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
 * resolveAsCopied makes the packages in a build resolve to the copied files when the server is started with plain
 * `node`. Nitro copies the files of the condition `production`, which Node has only with `-C production`, and writes
 * them into package.json, where another condition comes first: `import { liveQuery } from 'dexie'` gets the file for
 * `require`, and every page returns 500. Newer hosts bundle dexie.
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
 * askNoOtherHost keeps Nuxt Icon from fetching icons from a public service when or3-cloud, which has them, takes longer
 * than usual.
 */
export function askNoOtherHost(app: { icon?: unknown }): void {
  if (typeof app.icon === 'object' && app.icon !== null) Reflect.set(app.icon, 'fallbackToApi', false)
}

/** The part of Nitro that reports which pages a build renders. */
export interface Renderer {
  hooks: { hook(name: 'prerender:init' | 'prerender:done', act: () => void): unknown }
}

/**
 * letBuildEnd keeps timers of the host's server, which is loaded to render pages, from keeping the build process alive
 * after the build.
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
