import type { AccountApi } from './api/api'
import type { LinkAnswer } from './api/wire'

/** A one-time link that leads to the account pages. */
export interface AccountLink {
  kind: 'reset' | 'confirm-email' | 'invite' | 'setup'
  token: string
  /** What the server says about the link; if it says nothing, it decides when the form is submitted. */
  found?: LinkAnswer | { state: 'unknown' }
}

const fragmentKinds = ['reset', 'confirm-email', 'invite', 'setup'] as const

/**
 * splitAddress finds the one-time link in an address (path, query, fragment) and the address without it. Ours are in
 * the fragment, which browsers never send; `?invite=` is OR3 Chat's, also inside the `next` of its lock page.
 */
export function splitAddress(address: string): { link: AccountLink | null, rest: string } {
  const [beforeFragment, fragment] = cut(address, '#')
  const [path, query] = cut(beforeFragment, '?')
  const inFragment = new URLSearchParams(fragment)
  const kind = fragmentKinds.find(name => inFragment.get(name))
  let link: AccountLink | null = kind ? { kind, token: inFragment.get(kind)! } : null

  const kept = query.split('&').flatMap((part) => {
    const [[name, value] = ['', '']] = new URLSearchParams(part)
    if (name === 'invite' && value) {
      link ??= { kind: 'invite', token: value }
      return []
    }
    const inner = name === 'next' ? splitAddress(value) : null
    if (!inner?.link) return part
    link ??= inner.link
    return `next=${encodeURIComponent(inner.rest)}`
  }).join('&')

  if (!link) return { link, rest: address }
  return { link, rest: path + (kept && `?${kept}`) + (fragment && !kind ? `#${fragment}` : '') }
}

function cut(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * takeLink reads a one-time link from the address bar and removes it there at once, to keep it out of bookmarks and
 * history.
 */
export function takeLink({ location, history }: Pick<Window, 'location' | 'history'>): AccountLink | null {
  const { link, rest } = splitAddress(location.pathname + location.search + location.hash)
  if (link) history.replaceState(history.state, '', rest)
  return link
}

/**
 * inspectLink asks the server what a link is for, before the user fills in a form. A link that confirms on its own
 * does not need this.
 */
export async function inspectLink(api: Pick<AccountApi, 'link'>, link: AccountLink): Promise<AccountLink> {
  if (link.found || link.kind === 'confirm-email') return link
  const found = await api.link({ kind: link.kind, token: link.token }).catch(() => ({ state: 'unknown' as const }))
  return { ...link, found }
}

/** isDead reports whether a link can no longer be used to submit a form. */
export function isDead(link: AccountLink | null): boolean {
  return !!link?.found && ['used', 'expired', 'revoked', 'invalid'].includes(link.found.state)
}
