import { Named } from '../utils/named'

export interface DeploymentAdminChecker {
  checkDeploymentAdmin(providerUserId: string, provider: string): Promise<boolean>
}

const checkers = new Named<() => DeploymentAdminChecker>()

/** Registers a checker under the id of its sync provider. */
export function registerDeploymentAdminChecker(id: string, create: () => DeploymentAdminChecker): void {
  checkers.register(id, create)
}

export async function isDeploymentAdmin(syncProvider: string, providerUserId: string, provider: string): Promise<boolean> {
  return await checkers.get(syncProvider)?.().checkDeploymentAdmin(providerUserId, provider) ?? false
}
