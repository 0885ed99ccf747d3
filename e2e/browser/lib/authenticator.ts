import type { Page } from '@playwright/test'

/**
 * addAuthenticator gives a page's browser an authenticator with a screen lock that stores passkeys; its user always
 * agrees.
 */
export async function addAuthenticator(page: Page): Promise<{ agrees: (yes: boolean) => Promise<void>, passkeys: () => Promise<number> }> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  })
  return {
    agrees: async yes => void await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: yes }),
    passkeys: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length,
  }
}
