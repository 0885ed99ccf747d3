import { defineEventHandler, getQuery } from 'h3'
import { useRuntimeConfig } from '#imports'

export default defineEventHandler((event) => {
  const { auth, sync, storage } = useRuntimeConfig(event)
  const health = { status: 'ok', timestamp: new Date().toISOString(), uptime: process.uptime() }
  if (getQuery(event).deep !== 'true') return health
  const provider = ({ enabled, provider }: { enabled: boolean, provider: string }) => ({ available: enabled, provider })
  return { ...health, providers: { auth: provider(auth), sync: provider(sync), storage: provider(storage) } }
})
