import { StringDecoder } from 'node:string_decoder'

/** One server-sent event. */
export interface ServerEvent {
  name: string
  data: string
}

/** An event is a few hundred bytes; this limits how much another program that listens there can make us buffer. */
const maxEvent = 1 << 20

/**
 * Reads server-sent events (WHATWG HTML §9.2) as the engine writes them: one line of data each. heard is called for
 * each piece, comments included.
 */
export async function* readEvents(
  body: AsyncIterable<Buffer>,
  heard: () => void = () => undefined,
): AsyncGenerator<ServerEvent> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let name = ''
  let data: string[] = []
  for await (const piece of body) {
    heard()
    rest += decoder.write(piece)
    const lines = rest.split(/\r\n|\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
      if (line === '') {
        if (data.length > 0) yield { name: name || 'message', data: data.join('\n') }
        name = ''
        data = []
      }
      else if (field === 'event') name = value
      else if (field === 'data') data.push(value)
    }
    if (rest.length > maxEvent || data.length > maxEvent) throw new Error('an event is too long')
  }
}
