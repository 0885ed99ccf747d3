import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, heading, look, test } from '../lib/test.ts'

test.use({ environment: { SSR_AUTH_ENABLED: 'false' } })

test('where accounts are switched off, nothing of them is shown, asked, logged or on the disk', async ({ cloud, open }) => {
  const page = await open()
  await heading(page, 'Accounts are switched off')
  await look(page, 'off')
  await expect(page.getByRole('textbox')).toHaveCount(0)
  await expect(page.getByRole('button')).toHaveCount(0)

  const asked: string[] = [], said: string[] = []
  page.on('request', request => void asked.push(new URL(request.url()).pathname))
  page.on('console', message => void said.push(message.text()))
  await page.reload()
  await heading(page, 'Accounts are switched off')
  expect(asked.filter(path => path.startsWith('/api/'))).toEqual([])
  expect(said).toEqual([])
  expect(cloud.log.split('\n').filter(line => /"level":"(WARN|ERROR)"/.test(line))).toEqual([])
  await expect(access(join(cloud.directory, 'data'))).rejects.toThrow('ENOENT')
})
