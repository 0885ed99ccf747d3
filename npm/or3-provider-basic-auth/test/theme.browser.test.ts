import axe from 'axe-core'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { page } from 'vitest/browser'
import AuthButton from '../src/runtime/account/components/AuthButton.vue'
import { button, field, inServer, openAccount, openSignIn, outServer, section } from './accounts'
import { mount, unmountAll } from './mount'

/**
 * What the themes of OR3 Chat do to dialogs, buttons and labels; utility classes lie in a layer, and lose to what lies
 * in none.
 */
const theme = `
:root { --md-primary: #086db8; --md-on-primary: #fff; --md-surface: #fff; --md-on-surface: #022344; --md-on-surface-variant: #43474e; --md-outline-variant: #c3c7cf; }
@layer utilities {
  .or3-header { position: relative; display: flex; align-items: center; justify-content: space-between; min-height: 50px; padding: 0 12px !important; background: var(--md-primary); color: var(--md-on-primary); }
  .or3-title { color: var(--md-on-primary); font-size: 18px !important; }
  .or3-description { display: none; }
  .or3-close { position: relative !important; top: auto !important; inset-inline-end: auto !important; }
  .or3-label { margin-bottom: -4px; padding-inline: 4px; }
  button { height: 40px; padding-inline: 16px !important; font-size: 17px; text-align: start; }
}`

beforeEach(() => {
  const style = document.head.appendChild(document.createElement('style'))
  style.textContent = theme
  onTestFinished(() => style.remove())
})
afterEach(async () => {
  unmountAll()
  await page.viewport(1024, 768)
})

const box = (selector: string) => document.querySelector(selector)!.getBoundingClientRect()
const middle = ({ top, height }: DOMRect) => top + height / 2

it('has the button that closes in the middle of the bar, and the text below that', async () => {
  for (const width of [390, 1280]) {
    await page.viewport(width, 800)
    await openSignIn()
    expect(Math.abs(middle(box('.or3-close')) - middle(box('.or3-title')))).toBeLessThanOrEqual(1)
    expect(Math.abs(middle(box('.or3-close')) - (box('.or3-dialog').top + 25))).toBeLessThanOrEqual(1)
    await expect.element(page.getByText('Use the e-mail address and password of your account.')).toBeVisible()
    const [dialog, title] = [box('.or3-dialog'), box('.or3-title')]
    expect([title.left, title.right].map((edge, index) => Math.abs(edge - [dialog.left, dialog.right][index]!) <= 1)).toEqual([true, true])
    expect((await axe.run(document.querySelector('.or3-dialog')!)).violations.map(({ id }) => id)).toEqual([])
    expect(box('.or3-description').top).toBeGreaterThanOrEqual(box('.or3-dialog').top + 50)
    unmountAll()
  }
})

it('writes buttons in the size of its text', async () => {
  await openSignIn()
  const sizes = [...document.querySelectorAll('.or3 button')].filter(one => one.textContent?.trim()).map(one => getComputedStyle(one).fontSize)
  expect(sizes.length).toBeGreaterThan(3)
  expect(new Set(sizes.filter(size => size !== '10px'))).toEqual(new Set(['14px']))
})

it('has labels, what they say below and the fields at one edge', async () => {
  await openSignIn()
  await button('Create an account').click()
  await expect.element(field('Password')).toBeVisible()
  const password = field('Password').element()
  const label = document.querySelector(`label[for="${password.id}"]`)!
  const help = page.getByText('At least 8 characters.').element()
  expect(new Set([label, help, password].map(one => Math.round(one.getBoundingClientRect().left + parseFloat(one === password ? '0' : getComputedStyle(one).paddingLeft))))).toHaveProperty('size', 1)
  expect(help.getBoundingClientRect().top).toBeGreaterThanOrEqual(label.getBoundingClientRect().bottom - 1)
})

it('keeps its upper edge and its height, whatever is in it', async () => {
  for (const [width, height] of [[390, 800], [1280, 900], [1024, 500]] as const) {
    await page.viewport(width, height)
    await openAccount(inServer())
    await expect.element(section('Name')).toBeVisible()
    const before = box('.or3-dialog')
    await page.getByRole('tab', { name: 'Security' }).click()
    await expect.element(section('Recent activity').getByRole('listitem').first()).toBeVisible()
    const after = box('.or3-dialog')
    expect([after.top, after.height]).toEqual([before.top, before.height])
    unmountAll()
  }
  await openSignIn()
  const { top } = box('.or3-dialog')
  await button('Create an account').click()
  await expect.element(field('Password again')).toBeVisible()
  expect(box('.or3-dialog').top).toBe(top)
})

it('says in the rail what its tile is for', async () => {
  mount(AuthButton, outServer())
  await expect.element(page.getByText('Sign in')).toBeVisible()
  const tile = box('.or3-trigger')
  expect([tile.width, tile.height].every(side => side >= 48 && side <= 56)).toBe(true)
  unmountAll()
  mount(AuthButton, inServer())
  await expect.element(button('Account: Ann Lee')).toBeVisible()
  await expect.element(page.getByText('Account', { exact: true })).toBeVisible()
})
