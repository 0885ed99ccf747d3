let recovery: (() => Promise<boolean>) | undefined

export function registerClientSessionRecovery(recover: () => Promise<boolean>): void {
  recovery = recover
}

/** Tries to save a session before it is declared dead. */
export async function recoverClientSession(): Promise<boolean> {
  return await recovery?.() ?? false
}
