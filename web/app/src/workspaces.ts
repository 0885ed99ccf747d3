import type { Account } from '#account'
import { isOr3Error } from '#account'
import { createRequest } from '#account/api/request'

export interface Workspace {
  id: string
  name: string
  role: string
  isActive: boolean
}

/** workspacesOf asks for the workspaces of whoever is signed in, renewing a session that has run out first. */
export async function workspacesOf(account: Account): Promise<Workspace[]> {
  const request = createRequest({ fetch: window.fetch.bind(window) })
  const ask = async () => (await request<{ workspaces: Workspace[] }>('GET', '/api/workspaces')).workspaces
  try {
    return await ask()
  }
  catch (error) {
    if (!isOr3Error(error, 'session_expired') || !await account.renew()) throw error
    return ask()
  }
}
