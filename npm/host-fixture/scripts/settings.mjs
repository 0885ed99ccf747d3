/** An account that the hosts of the tests have. */
export const email = 'ann@example.org'
export const password = 'Correct-Horse-9-Battery'

/** What a host with our three packages is built and started with. A build is strict, so that it needs every key. */
export const settings = {
  SSR_AUTH_ENABLED: 'true',
  AUTH_PROVIDER: 'basic-auth',
  OR3_SYNC_PROVIDER: 'sqlite',
  NUXT_PUBLIC_STORAGE_PROVIDER: 'fs',
  OR3_FORCE_HTTPS: 'false',
  OR3_BASIC_AUTH_BOOTSTRAP_EMAIL: email,
  OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD: password,
  ...Object.fromEntries([
    'OR3_BASIC_AUTH_JWT_SECRET',
    'OR3_BASIC_AUTH_REFRESH_SECRET',
    'OR3_STORAGE_FS_TOKEN_SECRET',
    'OR3_WEBHOOKS_ENCRYPTION_KEY',
    'OR3_AUTH_INVITE_TOKEN_SECRET',
  ].map(name => [name, `only for the tests of the fixture: ${name}`])),
}
