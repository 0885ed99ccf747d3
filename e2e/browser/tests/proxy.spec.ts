import { expect, heading, look, test } from '../lib/test.ts'

// A trusted proxy that does not send X-Forwarded-Host.
test.use({ environment: { OR3_TRUST_PROXY: 'true', OR3_PUBLIC_URL: '' } })

test('a proxy that says too little is not taken for a server that is not ready', async ({ cloud, open, refused }) => {
  refused.add('POST /api/basic-auth/refresh 403')
  const page = await open()
  await heading(page, 'This server does not know its address')
  await expect(page.getByRole('alert').filter({ hasText: 'X-Forwarded-Host' })).toBeVisible()
  await look(page, 'proxy')
  const lines = cloud.log.split('\n').filter(line => line.includes('"level":"WARN"') && line.includes(`OR3_PUBLIC_URL=${cloud.url}`))
  expect(lines).toHaveLength(1)
})
