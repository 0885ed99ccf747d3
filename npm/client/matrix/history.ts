// What a host has accepted, as its operator sees it.
import { expect } from 'vitest'
import type { Tab } from './world.js'

export interface Entry { mark: string, pk: string, payload: Record<string, unknown> | undefined }

/** The log of the workspace of a device, the oldest first. No write is in it twice. */
export async function historyOf(tab: Tab): Promise<Entry[]> {
  const lines = (await tab.device.host.operate('log', await workspaceOf(tab))).trim().split('\n')
  const entries = lines.filter(Boolean).map(line => JSON.parse(line) as { mark: string, change: { pk: string, payload?: Record<string, unknown>, stamp: { opId: string } } })
  expect(new Set(entries.map(({ change }) => change.stamp.opId)).size).toBe(entries.length)
  return entries.map(({ mark, change: { pk, payload } }) => ({ mark, pk, payload }))
}

/** The workspace that the signed-in user chose last. */
export function workspaceOf(tab: Tab): Promise<string> {
  return tab.do(async ({ account }) => (await account.session())!.workspace.id)
}
