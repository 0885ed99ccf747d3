/**
 * The part of a host's runtime configuration that the engine has to match. Hosts fix it when they are built; the
 * environment in which they run later may not have it.
 */
export interface HostChoices {
  auth?: {
    enabled?: unknown
    provider?: unknown
    autoProvision?: unknown
    registrationMode?: unknown
    invite?: { tokenSecret?: unknown, tokenTtlSeconds?: unknown }
  }
  sync?: { enabled?: unknown, provider?: unknown }
  storage?: { enabled?: unknown, provider?: unknown }
  security?: { allowedOrigins?: unknown }
  app?: { baseURL?: unknown }
}

/**
 * A host's choices, as settings of the engine: its providers, who may register, which origins are allowed, and
 * its base path. If a setting has two names, the one that takes precedence is used.
 */
export function settingsOf({ auth, sync, storage, security, app }: HostChoices): Record<string, string> {
  const settings: Record<string, unknown> = {
    SSR_AUTH_ENABLED: auth?.enabled,
    OR3_AUTH_PROVIDER: auth?.provider,
    OR3_AUTH_AUTO_PROVISION: auth?.autoProvision,
    OR3_AUTH_REGISTRATION_MODE: auth?.registrationMode,
    OR3_AUTH_INVITE_TOKEN_SECRET: auth?.invite?.tokenSecret,
    OR3_AUTH_INVITE_TOKEN_TTL_SECONDS: auth?.invite?.tokenTtlSeconds,
    OR3_CLOUD_SYNC_ENABLED: sync?.enabled,
    OR3_SYNC_PROVIDER: sync?.provider,
    OR3_CLOUD_STORAGE_ENABLED: storage?.enabled,
    OR3_STORAGE_PROVIDER: storage?.provider,
    OR3_ALLOWED_ORIGINS: Array.isArray(security?.allowedOrigins) ? security.allowedOrigins.join(',') : undefined,
    OR3_BASE_PATH: typeof app?.baseURL === 'string' ? app.baseURL.replace(/\/$/, '') : undefined,
  }
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => {
      if (typeof value !== 'string' && typeof value !== 'boolean' && typeof value !== 'number') return []
      return value === '' ? [] : [[name, String(value)]]
    }),
  )
}
