export const BASIC_AUTH_PROVIDER_ID = 'basic-auth'
export const CLERK_PROVIDER_ID = 'clerk'
export const CONVEX_PROVIDER_ID = 'convex'
export const CONVEX_JWT_TEMPLATE = 'convex'
