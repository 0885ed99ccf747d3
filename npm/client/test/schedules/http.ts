// Requests as browsers make them, at a fraction of what fetch costs in Node.js: a schedule makes some hundred.
import { Agent, request } from 'node:http'

const agent = new Agent({ keepAlive: true })

/** Sends a request with a body that is text, bytes or a blob, and returns the whole answer. */
export const send: typeof globalThis.fetch = async (input, init = {}) => {
  const body = init.body instanceof Blob ? Buffer.from(await init.body.arrayBuffer()) : init.body as string | undefined
  const headers = Object.fromEntries(new Headers(init.headers))
  return new Promise((resolve, reject) => {
    const out = request(String(input), { method: init.method ?? 'GET', headers, agent }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part)).once('error', reject).once('end', () => {
        const fields = new Headers()
        for (let i = 0; i < answer.rawHeaders.length; i += 2) fields.append(answer.rawHeaders[i]!, answer.rawHeaders[i + 1]!)
        const status = answer.statusCode!
        resolve(new Response(status === 204 ? null : Buffer.concat(parts), { status, headers: fields }))
      })
    })
    out.once('error', reject).end(body)
  })
}
