// The built-in page in a real browser, against a real server: first account, wrong password, sign-in and out, changed password,
// workspaces, and the same page for people who use a keyboard, a screen reader, a small screen or a dark one.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const binary = process.env.OR3_CLOUD_BIN;
const screenshots = process.env.SCREENSHOTS; // a directory, for people who want to look
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const ann = { name: 'Ann', email: 'ann@example.org', password: 'a long enough sentence', changed: 'another long sentence' };

const screens = [
  { name: 'small-light', viewport: { width: 320, height: 640 }, colorScheme: 'light' },
  { name: 'small-dark', viewport: { width: 320, height: 640 }, colorScheme: 'dark' },
  { name: 'desktop-light', viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
];

// startServer runs the binary in an empty directory and resolves to its address and the link for the first account.
async function startServer(environment = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'or3-cloud-browser-'));
  const child = spawn(binary, ['serve', '--addr', '127.0.0.1:0'], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const server = {
    directory,
    log: () => log,
    async stop() {
      if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
      await rm(directory, { recursive: true });
    },
  };
  for await (const line of createInterface({ input: child.stdout })) {
    server.url ??= line.match(/serves (http:\S+)/)?.[1];
    server.setup = line.match(/http:\S+#setup=\S+/)?.[0];
    if (server.setup || /switched off/.test(line)) break;
  }
  child.stdout.resume();
  assert.ok(server.url, `the server did not start: ${log}`);
  return server;
}

let browser, server;

before(async () => {
  if (screenshots) await mkdir(screenshots, { recursive: true });
  server = await startServer();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

// open returns a page that fails the test on script errors, refused content and requests to other origins.
async function open(t, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 800, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) faults.push(`request to ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(url);
  return page;
}

// heading waits for the view with a heading, and checks that it is the only one and has the focus.
async function heading(page, name, { focused = true } = {}) {
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
  if (focused) assert.equal(await page.evaluate(() => document.activeElement.textContent), name);
}

async function field(page, label) {
  return page.locator('section:not([hidden])').getByLabel(label, { exact: true });
}

async function fill(page, values) {
  for (const [label, value] of Object.entries(values)) await (await field(page, label)).fill(value);
}

async function press(page, name) {
  await page.getByRole('button', { name, exact: true }).click();
}

async function signIn(page, password) {
  await fill(page, { 'E-mail': ann.email, Password: password });
  await press(page, 'Sign in');
}

// look checks the page as it is now on all screens: nothing that axe finds, nothing wider than the screen.
async function look(page, name) {
  for (const screen of screens) {
    await page.setViewportSize(screen.viewport);
    await page.emulateMedia({ colorScheme: screen.colorScheme, reducedMotion: 'reduce' });
    if (screenshots) await page.screenshot({ path: join(screenshots, `${name}-${screen.name}.png`), fullPage: true });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= screen.viewport.width, `${name}, ${screen.name}: ${width} pixels wide`);
    await page.evaluate(`${axe}; undefined`);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html) })), [], `${name}, ${screen.name}`);
  }
}

test('the one-time link creates the first account', async (t) => {
  const page = await open(t, server.setup);
  await heading(page, 'Create the first account', { focused: false });
  assert.doesNotMatch(page.url(), /setup/, 'the token stays in the address bar');
  await look(page, 'setup');

  await press(page, 'Create account');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'email', 'the focus is not on the first wrong field');
  await page.getByText('E-mail is missing.').waitFor();
  await fill(page, { 'Name (optional)': ann.name, 'E-mail': ann.email, Password: ann.password, 'Password again': 'something else' });
  await press(page, 'Create account');
  const confirm = await field(page, 'Password again');
  assert.equal(await confirm.getAttribute('aria-invalid'), 'true');
  const described = await confirm.getAttribute('aria-describedby');
  assert.equal(await page.locator(`#${described}`).textContent(), 'The two passwords differ.');
  await look(page, 'setup-faults');

  await confirm.fill(ann.password);
  await confirm.press('Enter');
  await heading(page, 'Your account');
  await page.getByRole('status').filter({ hasText: 'Your account is ready.' }).waitFor();
  await page.getByText('Ann (ann@example.org)').waitFor();
  assert.equal(await page.locator('#address').textContent(), server.url);
  const workspace = page.getByRole('list', { name: 'Workspaces' }).getByRole('listitem');
  assert.deepEqual(await workspace.allInnerTexts().then((texts) => texts.map((text) => text.split(/\s*\n\s*/))), [['My Workspace', 'owner, active']]);
  await look(page, 'account');
});

test('the link is worth nothing once there is an account', async (t) => {
  const page = await open(t, server.setup);
  await heading(page, 'Create the first account', { focused: false });
  await fill(page, { 'E-mail': ann.email, Password: ann.password, 'Password again': ann.password });
  await press(page, 'Create account');
  await page.getByRole('alert').filter({ hasText: 'There is already an account with this e-mail address.' }).waitFor();
  await look(page, 'taken');
});

test('a wrong password is refused in words, and the right one signs in and out', async (t) => {
  const page = await open(t, server.url);
  await heading(page, 'Sign in', { focused: false });
  await look(page, 'signin');
  await signIn(page, 'not the password');
  await page.getByRole('alert').filter({ hasText: 'E-mail or password is wrong.' }).waitFor();
  await look(page, 'wrong-password');

  await signIn(page, ann.password);
  await heading(page, 'Your account');
  assert.equal(await page.getByRole('alert').count(), 0);
  await page.reload();
  await heading(page, 'Your account', { focused: false });
  await press(page, 'Sign out');
  await heading(page, 'Sign in');
  await page.reload();
  await heading(page, 'Sign in', { focused: false });
});

test('everything works with the keyboard alone', async (t) => {
  const page = await open(t, server.url);
  await heading(page, 'Sign in', { focused: false });
  const type = async (text) => page.keyboard.type(text);
  await page.keyboard.press('Tab');
  await type(ann.email);
  await page.keyboard.press('Tab');
  await type(ann.password);
  await page.keyboard.press('Enter');
  await heading(page, 'Your account');
  await page.keyboard.press('Tab'); // to the address
  assert.equal(await page.evaluate(() => document.activeElement.id), 'copy');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'change-current');
  for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'signout');
  await page.keyboard.press('Enter');
  await heading(page, 'Sign in');
});

test('a changed password counts, and signs every device out', async (t) => {
  const other = await open(t, server.url);
  await signIn(other, ann.password);
  await heading(other, 'Your account');

  const page = await open(t, server.url);
  await signIn(page, ann.password);
  await heading(page, 'Your account');
  await press(page, 'Change password');
  await fill(page, { 'Current password': 'not the password', 'New password': ann.changed, 'New password again': ann.changed });
  await press(page, 'Save new password');
  await page.getByText('This is not your current password.').waitFor();
  await look(page, 'change-password');
  await fill(page, { 'Current password': ann.password });
  await press(page, 'Save new password');
  await heading(page, 'Sign in');
  await page.getByRole('status').filter({ hasText: 'The password is changed.' }).waitFor();

  await other.reload();
  await heading(other, 'Sign in', { focused: false });
  await signIn(page, ann.password);
  await page.getByRole('alert').filter({ hasText: 'E-mail or password is wrong.' }).waitFor();
  await signIn(page, ann.changed);
  await heading(page, 'Your account');
});

test('a second person can register while registration is open', async (t) => {
  const page = await open(t, server.url);
  await press(page, 'Create an account');
  await heading(page, 'Create an account');
  await fill(page, { 'E-mail': 'bob@example.org', Password: 'bobs own long sentence', 'Password again': 'bobs own long sentence' });
  await press(page, 'Create account');
  await heading(page, 'Your account');
});

test('a server that does not answer is said so, and the page comes back', async (t) => {
  const page = await open(t, server.url);
  await heading(page, 'Sign in', { focused: false });
  await page.route('**/api/auth/session', (route) => route.fulfill({
    status: 503, headers: { 'Retry-After': '1' }, json: { statusCode: 503, statusMessage: 'The server is starting', message: 'The server is starting' },
  }));
  await page.reload();
  await heading(page, 'The server is not ready', { focused: false });
  await page.getByText('The server is starting').waitFor();
  await look(page, 'not-ready');
  await page.unroute('**/api/auth/session');
  await press(page, 'Try again');
  await heading(page, 'Sign in');
});

test('a refusal for too many tries says how long to wait', async (t) => {
  const page = await open(t, server.url);
  await page.route('**/api/basic-auth/sign-in', (route) => route.fulfill({
    status: 429, headers: { 'Retry-After': '42' }, json: { statusCode: 429, statusMessage: 'Too many requests', message: 'Too many requests' },
  }));
  await signIn(page, 'whatever it was');
  await page.getByRole('alert').filter({ hasText: 'Wait 42 seconds' }).waitFor();
});

test('where accounts are switched off, the page says so and nothing is on the disk', async (t) => {
  const off = await startServer({ SSR_AUTH_ENABLED: 'false' });
  t.after(() => off.stop());
  const page = await open(t, off.url);
  await heading(page, 'Accounts are switched off', { focused: false });
  await look(page, 'off');
  await assert.rejects(readFile(join(off.directory, 'data', 'identity.json')), { code: 'ENOENT' });
});

test('the log has neither passwords, nor the link, nor addresses', () => {
  for (const secret of [ann.password, ann.changed, 'ann@', 'bob@', server.setup.split('=')[1]]) {
    assert.ok(!server.log().includes(secret), `${secret} is in the log`);
  }
});
