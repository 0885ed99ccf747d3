// Who a request comes from and where it went, behind a proxy or not.
import { getHeader, type H3Event } from 'h3'

export interface ProxyTrustConfig {
  trustProxy: boolean
  forwardedForHeader: string
  forwardedHostHeader: string
}

export function normalizeProxyTrustConfig(config: Partial<ProxyTrustConfig> | undefined): ProxyTrustConfig {
  return {
    trustProxy: config?.trustProxy === true,
    forwardedForHeader: config?.forwardedForHeader === 'x-real-ip' ? 'x-real-ip' : 'x-forwarded-for',
    forwardedHostHeader: 'x-forwarded-host',
  }
}

const first = (value: string | undefined) => value?.split(',')[0]?.trim() || null
const address = /^[\d.]+$|^[\da-fA-F:.]+$/

/** The client's address; null if the proxy that is trusted does not say it. */
export function getClientIp(event: H3Event, config: ProxyTrustConfig): string | null {
  if (!config.trustProxy) return event.node.req.socket.remoteAddress ?? null
  const said = first(getHeader(event, config.forwardedForHeader))
  return said && address.test(said) ? said : null
}

/** The host that the browser asked; null if the proxy that is trusted does not say it. */
export function getProxyRequestHost(event: H3Event, config: ProxyTrustConfig): string | null {
  const said = config.trustProxy ? first(getHeader(event, config.forwardedHostHeader)) : getHeader(event, 'host')?.trim()
  return said?.toLowerCase() || null
}
