type Status = { ready: boolean, authenticated: boolean | undefined }

let resolve: (() => Promise<Status>) | undefined

export function registerClientAuthStatusResolver(resolver: () => Promise<Status>) {
  resolve = resolver
}

export const clientAuthStatus = async () => await resolve?.() ?? { ready: true, authenticated: undefined }
