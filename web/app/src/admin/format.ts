/** Numbers and times in a readable form; these pages are rendered in the browser only. */

const whole = new Intl.NumberFormat()

export const formatNumber = (n: number) => whole.format(n)

export const formatCount = (n: number, one: string, many: string) => `${whole.format(n)} ${n === 1 ? one : many}`

const units = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB']

/** formatBytes counts in thousands, as disks are sold. */
export function formatBytes(bytes: number): string {
  let value = bytes, unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: unit === 0 || value >= 100 ? 0 : 1 }).format(value)} ${units[unit]}`
}

export type Moment = string | number | Date

export const formatMoment = (at: Moment) => new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at))

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400], ['month', 30 * 86_400], ['day', 86_400], ['hour', 3600], ['minute', 60],
]

/** formatAgo says how long ago something was, or how far in the future it is. */
export function formatAgo(at: Moment, now = Date.now()): string {
  const seconds = (new Date(at).getTime() - now) / 1000
  const text = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return text.format(Math.trunc(seconds / length), unit)
  }
  return seconds > 0 ? 'in less than a minute' : 'just now'
}

/** sentence capitalizes the first letter. */
export const sentence = (text: string) => text && text[0]!.toUpperCase() + text.slice(1)

/** browserName is a short name for a User-Agent. */
export function browserName(userAgent = ''): string {
  const browser = /Edg\//.test(userAgent) ? 'Edge' : /Firefox\//.test(userAgent) ? 'Firefox' : /Chrome\//.test(userAgent) ? 'Chrome' : /Safari\//.test(userAgent) ? 'Safari' : ''
  const system = /Android/.test(userAgent) ? 'Android' : /iPhone|iPad/.test(userAgent) ? 'iOS' : /Windows/.test(userAgent) ? 'Windows' : /Mac OS/.test(userAgent) ? 'macOS' : /Linux/.test(userAgent) ? 'Linux' : ''
  if (browser && system) return `${browser} on ${system}`
  return browser || system || (userAgent ? userAgent.slice(0, 60) : 'Unknown browser')
}
