import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The page with which or3-cloud answers every navigation: the client without a server's part. Hosts of early 2026 make it in static builds only. */
export const shell = '/200.html'

/** What of Nuxt's options tells what a build is for. */
export interface BuildOptions {
  dev: boolean
  nitro: { static?: boolean }
}

/**
 * isClient reports whether a build makes the client that or3-cloud serves, and not a server of the host: a static build is nothing else, and of a
 * server build OR3_CLOUD_CLIENT=true says so. Newer hosts have no static build with accounts.
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

/** withFallback has the worker fall back to the shell where the build lacks the page that it falls back to: such a worker would not install. */
export function withFallback({ outDir, workbox }: WorkerOptions): void {
  const page = workbox?.navigateFallback
  if (workbox && page && !existsSync(join(outDir, page.endsWith('/') ? `${page}index.html` : page))) workbox.navigateFallback = shell
}

/** keepExternalsAbsolute lets Nitro find what Vite leaves to it. Nuxt 4.2 would name files below shared/ relative to a folder that they are not in. */
export function keepExternalsAbsolute(vite: { build?: { rollupOptions?: { makeAbsoluteExternalsRelative?: unknown } } }): void {
  if (vite.build?.rollupOptions) vite.build.rollupOptions.makeAbsoluteExternalsRelative = false
}

/** goOnWithoutPages goes on with a static build where a page cannot be rendered without the host's server: the shell stands in for every page. */
export function goOnWithoutPages(nitro: object): void {
  const { static: isStatic, prerender } = nitro as NitroConfig
  if (isStatic && prerender) prerender.failOnError = false
}

/**
 * copyNoOtherSQLite takes better-sqlite3 from the files to be copied, which newer hosts name whenever this provider is chosen: OR3 Cloud
 * brings its own SQLite, and a host is built without that add-on.
 */
export function copyNoOtherSQLite(nitro: object): void {
  const { externals } = nitro as NitroConfig
  if (externals?.traceInclude) externals.traceInclude = externals.traceInclude.filter(file => !/(?:^|[\\/])better-sqlite3(?:[\\/]|$)/.test(file))
}

/** askNobodyElse keeps Nuxt Icon from asking a public service for an icon when or3-cloud, which has them, takes longer than usual. */
export function askNobodyElse(app: { icon?: unknown }): void {
  if (typeof app.icon === 'object' && app.icon !== null) Reflect.set(app.icon, 'fallbackToApi', false)
}

/** What of Nitro tells of the pages that a build renders. */
export interface Renderer {
  hooks: { hook(name: 'prerender:init' | 'prerender:done', act: () => void): unknown }
}

/** letBuildEnd keeps the timers of the host's server, which is loaded to render pages, from holding the build after its end. */
export function letBuildEnd({ hooks }: Renderer, on: { setInterval: typeof setInterval } = globalThis): void {
  const { setInterval } = on
  hooks.hook('prerender:init', () => {
    on.setInterval = ((...timer: Parameters<typeof setInterval>) => setInterval(...timer).unref()) as typeof setInterval
  })
  hooks.hook('prerender:done', () => {
    on.setInterval = setInterval
  })
}
