// The stream of a workspace's versions, which says when to pull.
import type { Http } from './http.js'

/** After this much silence a stream is dead, in milliseconds. The server sends a heartbeat every 15 seconds. */
const silence = 50_000

/** Listens until the stream ends. `version` is called with each version, starting with the current one. */
export async function listen(http: Http, workspace: string, version: (v: number) => void, signal: AbortSignal): Promise<void> {
  const quiet = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const heard = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => quiet.abort(), silence)
  }
  heard()
  try {
    const response = await http.open(`/api/sync/events?workspaceId=${encodeURIComponent(workspace)}`, { headers: { accept: 'text/event-stream' } }, AbortSignal.any([signal, quiet.signal]))
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    for (let rest = ''; ;) {
      const { done, value } = await reader.read()
      if (done) return
      heard()
      const lines = (rest + value).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const found = /^data:.*"serverVersion":(\d+)/.exec(line)
        if (found) version(Number(found[1]))
      }
    }
  }
  finally {
    clearTimeout(timer)
  }
}
