/** A one-time link that leads to the account pages. */
export interface AccountLink {
  kind: 'reset' | 'confirm-email' | 'invite' | 'setup'
  token: string
}

const fragmentKinds = ['reset', 'confirm-email', 'invite', 'setup'] as const

/**
 * takeLink reads a one-time token from the address. A token in the fragment leaves the address bar at once, so that it stands in no bookmark or
 * screenshot; `?invite=` is OR3 Chat's own and stays, because its server reads it from there.
 */
export function takeLink({ location, history }: Pick<Window, 'location' | 'history'>): AccountLink | null {
  const fragment = new URLSearchParams(location.hash.slice(1))
  for (const kind of fragmentKinds) {
    const token = fragment.get(kind)
    if (!token) continue
    history.replaceState(history.state, '', location.pathname + location.search)
    return { kind, token }
  }
  const invite = new URLSearchParams(location.search).get('invite')
  return invite ? { kind: 'invite', token: invite } : null
}
