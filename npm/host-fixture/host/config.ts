// The settings of a host, as they come from the environment: SSR_AUTH_ENABLED=1 is not true, and an id may be anything.

type Env = Readonly<Record<string, string | undefined>>

const onlyTrue = (value: string | undefined) => value === 'true'
const unlessFalse = (value: string | undefined) => value !== 'false'
const list = (value: string | undefined) => (value ?? '').split(',').map(item => item.trim()).filter(Boolean)

const mimeTypes = 'image/jpeg,image/png,image/gif,image/webp,application/pdf,text/plain,text/markdown'

/**
 * The runtime configuration, as far as it is about the cloud. NUXT_* variables change it again when the host starts.
 */
export function runtimeConfig(env: Env) {
  const authEnabled = onlyTrue(env.SSR_AUTH_ENABLED)
  const authProvider = env.AUTH_PROVIDER ?? 'clerk'
  const sync = { enabled: authEnabled && unlessFalse(env.OR3_SYNC_ENABLED), provider: env.OR3_SYNC_PROVIDER ?? 'convex' }
  const storage = {
    enabled: authEnabled && unlessFalse(env.OR3_STORAGE_ENABLED),
    provider: env.NUXT_PUBLIC_STORAGE_PROVIDER ?? 'convex',
  }
  const limitsProvider = env.OR3_LIMITS_STORAGE_PROVIDER ?? (sync.enabled ? sync.provider : 'memory')
  const jobsProvider = env.OR3_BACKGROUND_STREAMING_PROVIDER ?? (sync.enabled ? sync.provider : 'memory')
  const backgroundEnabled = onlyTrue(env.OR3_BACKGROUND_STREAMING_ENABLED)
  const strict = env.NODE_ENV === 'production'
  return {
    auth: {
      enabled: authEnabled,
      provider: authProvider,
      autoProvision: unlessFalse(env.OR3_AUTH_AUTO_PROVISION),
      sessionProvisioningFailure: env.OR3_SESSION_PROVISIONING_FAILURE ?? 'throw',
      registrationMode: env.OR3_AUTH_REGISTRATION_MODE ?? 'open',
    },
    sync: { ...sync },
    storage: { ...storage, allowedMimeTypes: list(env.OR3_STORAGE_ALLOWED_MIME_TYPES ?? mimeTypes) },
    limits: { enabled: unlessFalse(env.OR3_LIMITS_ENABLED), storageProvider: limitsProvider },
    backgroundJobs: { enabled: backgroundEnabled, storageProvider: jobsProvider },
    security: {
      allowedOrigins: list(env.OR3_ALLOWED_ORIGINS),
      forceHttps: env.OR3_FORCE_HTTPS === undefined ? strict : onlyTrue(env.OR3_FORCE_HTTPS),
      proxy: {
        trustProxy: onlyTrue(env.OR3_TRUST_PROXY),
        forwardedForHeader: env.OR3_FORWARDED_FOR_HEADER ?? 'x-forwarded-for',
        forwardedHostHeader: 'x-forwarded-host',
      },
    },
    admin: {
      basePath: env.OR3_ADMIN_BASE_PATH ?? '/admin',
      auth: { username: env.OR3_ADMIN_USERNAME ?? '', password: env.OR3_ADMIN_PASSWORD ?? '' },
    },
    public: {
      ssrAuthEnabled: authEnabled,
      authProvider,
      guestAccessEnabled: onlyTrue(env.OR3_GUEST_ACCESS_ENABLED),
      sync: { ...sync },
      storage: { ...storage },
      backgroundStreaming: { enabled: backgroundEnabled },
    },
  }
}

export type HostConfig = ReturnType<typeof runtimeConfig>
