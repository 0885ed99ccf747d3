// Rows as JSON. Values that IndexedDB supports and JSON does not are written as {"$or3": [type, value]}.

const mark = '$or3'

/** Whether a JSON text may contain something that `revive` has to convert. */
export function mayHaveMarks(text: string): boolean {
  return text.includes(mark)
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(text)
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), c => c.charCodeAt(0))

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Converts an IndexedDB value to JSON; a TypeError names what cannot be converted. */
export function plain(value: unknown, path = 'row', depth = 0): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { [mark]: ['number', String(Object.is(value, -0) ? '-0' : value)] }
    case 'bigint':
      return { [mark]: ['bigint', String(value)] }
    case 'object':
      break
    case 'string':
    case 'boolean':
    case 'undefined':
      return value
    default:
      throw new TypeError(`${path} is a ${typeof value}, which cannot be synced`)
  }
  if (value === null) return null
  // The server accepts 100 levels, including its own two around a row.
  if (depth > 90) throw new TypeError(`${path} is nested too deeply to be synced`)
  if (Array.isArray(value)) return Array.from(value, (v, i) => plain(v, `${path}[${i}]`, depth + 1) ?? null)
  if (value instanceof Date) return { [mark]: ['date', Number.isNaN(value.getTime()) ? null : value.getTime()] }
  if (value instanceof ArrayBuffer) return { [mark]: ['buffer', base64(new Uint8Array(value))] }
  if (value instanceof Uint8Array) return { [mark]: ['bytes', base64(value)] }
  if (value instanceof Map) return { [mark]: ['map', plain([...value], path, depth + 1)] }
  if (value instanceof Set) return { [mark]: ['set', plain([...value], path, depth + 1)] }
  if (!isPlain(value)) throw new TypeError(`${path} is a ${value.constructor?.name ?? 'object without a constructor'}, which cannot be synced; keep files with sync.files`)
  const out = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member, `${path}.${name}`, depth + 1)]))
  return Object.hasOwn(out, mark) ? { [mark]: ['object', out] } : out
}

/** Converts a JSON value from `plain` back to the IndexedDB value. It modifies and returns its argument. */
export function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = revive(value[i])
    return value
  }
  const object = value as Record<string, unknown>
  const marked = object[mark]
  if (Array.isArray(marked) && marked.length === 2) {
    const [type, content] = marked as [string, never]
    switch (type) {
      case 'date': return new Date(content ?? NaN)
      case 'number': return Number(content)
      case 'bigint': return BigInt(content)
      case 'bytes': return bytesOf(content)
      case 'buffer': return bytesOf(content).buffer
      case 'map': return new Map(revive(content) as [unknown, unknown][])
      case 'set': return new Set(revive(content) as unknown[])
      case 'object': return reviveMembers(content)
    }
  }
  return reviveMembers(object)
}

function reviveMembers(object: Record<string, unknown>): Record<string, unknown> {
  for (const name of Object.keys(object)) object[name] = revive(object[name])
  return object
}
