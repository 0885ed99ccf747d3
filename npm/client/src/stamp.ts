// Which of two writes of a row is newer (contract, sync §8, §10.2).

/** What distinguishes a write of a row from others. */
export interface Stamp {
  /** How often the row was written: one more than for the previous write. */
  clock: number
  /** When, by a hybrid logical clock: `<milliseconds>:<counter>:<device>`, in base 36. Compared as text. */
  hlc: string
  /** The id of the write, a UUID. */
  opId: string
}

/** Whether a write is newer than another, in the order that the server and all devices use. */
export function newer(a: Stamp, b: Stamp): boolean {
  if (a.clock !== b.clock) return a.clock > b.clock
  if (a.hlc !== b.hlc) return a.hlc > b.hlc
  return a.opId > b.opId
}

const counters = 36 ** 3

/** The first reading of a device's clock that is at or after a time, in milliseconds, and after the last reading. */
export function reading(time: number, device: string, last = ''): string {
  const [at = '', count = ''] = last.split(':')
  let ms = Math.max(0, Math.floor(time))
  let n = 0
  const before = parseInt(at, 36)
  if (before >= ms) {
    ms = before
    n = parseInt(count, 36) + 1
    if (n >= counters) [ms, n] = [ms + 1, 0]
  }
  return `${ms.toString(36).padStart(9, '0')}:${n.toString(36).padStart(3, '0')}:${device}`
}

/** The time of a reading, in milliseconds; 0 if it is invalid. */
export function timeOf(hlc: string): number {
  return parseInt(hlc.split(':')[0] ?? '', 36) || 0
}
