import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'

/** The current route: the part of the address after the #. */
export interface Route {
  page: string
  id: string
  query: URLSearchParams
  /** The whole route, as the key for what has to be rendered again when it changes. */
  path: string
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const [page = '', id = ''] = path.split('/').map(part => decodeURIComponent(part))
  return { page: page || 'overview', id, query: new URLSearchParams(query), path }
}

/** useRoute follows the address. */
export function useRoute(): ShallowRef<Route> {
  const route = shallowRef(read())
  const follow = () => {
    route.value = read()
  }
  addEventListener('hashchange', follow)
  onScopeDispose(() => removeEventListener('hashchange', follow))
  return route
}

/** linkTo returns the address of a page, or of one item on it. */
export const linkTo = (page: string, id = '', query: Record<string, string> = {}) => {
  const asked = new URLSearchParams(query).toString()
  return `#/${page}${id && `/${encodeURIComponent(id)}`}${asked && `?${asked}`}`
}

/** keepQuery puts the chosen filters into the address, so that it can be shared; the page stays as it is. */
export function keepQuery(query: Record<string, string>) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString()
  const [path] = location.hash.split('?')
  history.replaceState(null, '', `${location.pathname}${path}${asked && `?${asked}`}`)
}
