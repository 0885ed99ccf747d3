export interface ClientAuthStatus {
  ready: boolean
  /** undefined if no one can say. */
  authenticated: boolean | undefined
}

let resolver: (() => Promise<ClientAuthStatus>) | undefined

/** The last one counts. */
export function registerClientAuthStatusResolver(resolve: () => Promise<ClientAuthStatus>): void {
  resolver = resolve
}

export async function clientAuthStatus(): Promise<ClientAuthStatus> {
  return await resolver?.() ?? { ready: true, authenticated: undefined }
}
