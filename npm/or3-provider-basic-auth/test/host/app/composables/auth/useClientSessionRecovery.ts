let recover: (() => Promise<boolean>) | undefined

export function registerClientSessionRecovery(recovery: () => Promise<boolean>) {
  recover = recovery
}

export const recoverClientSession = async () => await recover?.() ?? false
