import { expect, look, test } from '../lib/test.ts'

test('the documentation is read from page to page, on every screen', async ({ cloud, open }) => {
  const page = await open(`${cloud.url}/docs`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Quick start')
  await look(page, 'docs-start')
  await page.getByRole('link', { name: 'Operations', exact: true }).first().click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Operations')
  await page.getByRole('navigation', { name: 'Contents' }).getByRole('link', { name: 'systemd' }).click()
  await expect(page.getByRole('heading', { name: 'systemd', level: 2 })).toBeInViewport()
  await page.getByRole('link', { name: 'Configuration →' }).click()
  await expect(page).toHaveTitle('Configuration – OR3 Cloud')
  await look(page, 'docs-configuration')
})

test('the search finds a setting by its name, and what is written about a thing', async ({ cloud, open }) => {
  const page = await open(`${cloud.url}/docs/`)
  await page.getByRole('searchbox').fill('OR3_DATA_DIR')
  await page.keyboard.press('Enter')
  const results = page.getByRole('list').filter({ has: page.locator('small') })
  await expect(page.getByRole('status')).toHaveText(/found/)
  await look(page, 'docs-search')
  await results.getByRole('link').first().click()
  await expect(page).toHaveURL(/configuration\.html#OR3_DATA_DIR$/)
  await expect(page.locator('#OR3_DATA_DIR')).toBeInViewport()

  await page.goto(`${cloud.url}/docs/search.html?q=reverse+proxy`)
  await expect(results.getByRole('link', { name: 'The reverse proxy' })).toBeVisible()
  await page.getByRole('searchbox').fill('quetzalcoatl')
  await expect(page.getByRole('status')).toHaveText('0 found.')
})

test.describe('without JavaScript', () => {
  test('everything can be read, and the search is a list', async ({ cloud, browser }) => {
    const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } })
    const page = await context.newPage()
    await page.goto(`${cloud.url}/docs/`)
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Quick start')
    await page.getByRole('searchbox').fill('backup')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'OR3_DATA_DIR', exact: true }).click()
    await expect(page.locator('#OR3_DATA_DIR')).toBeInViewport()
    await context.close()
  })
})
