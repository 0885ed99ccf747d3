// The built-in page: first account, sign-in and out, password, workspaces. It talks to the same endpoints as OR3 Chat.

const byId = (id) => document.getElementById(id);

// The one-time link ends in #setup=<token>. The token leaves the address bar at once, so that it is in no bookmark or screenshot.
let setupToken = new URLSearchParams(location.hash.slice(1)).get('setup') ?? '';
if (setupToken) history.replaceState(null, '', location.pathname + location.search);

// ---------------------------------------------------------------- talking to the server

// Failure is an answer that is not the wanted one. status is 0 when there was no answer at all.
class Failure extends Error {
  constructor(status, text, retryAfter) {
    super(text);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      cache: 'no-store',
      headers: { Accept: 'application/json', ...(body ? { 'Content-Type': 'application/json' } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Failure(0, 'The server cannot be reached. Check the network, then try again.', 0);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  const text = answer?.statusMessage || answer?.message || `The server answered with status ${response.status}.`;
  throw new Failure(response.status, text, Number(response.headers.get('Retry-After')) || 0);
}

// session returns who is signed in, or null. It renews an expired session before it says null.
async function session() {
  const { session } = await call('GET', '/api/auth/session');
  if (session) return session;
  const { ok } = await call('POST', '/api/basic-auth/refresh?silent=1');
  return ok ? (await call('GET', '/api/auth/session')).session : null;
}

// ---------------------------------------------------------------- showing things

const views = ['loading', 'unreachable', 'off', 'signin', 'register', 'account'];

function show(view, { focus = true } = {}) {
  for (const name of views) byId(`view-${name}`).hidden = name !== view;
  const heading = byId(`${view}-title`);
  document.title = `${heading.textContent} – OR3 Cloud`;
  if (focus) heading.focus();
}

function say(text) {
  byId('problem').hidden = true;
  byId('status').hidden = !text;
  byId('status').textContent = text;
}

function complain(text) {
  byId('status').hidden = true;
  byId('problem').hidden = !text;
  byId('problem').textContent = text;
  if (text) byId('problem').scrollIntoView({ block: 'nearest' }); // the button that was pressed may be far below
}

const wait = (seconds) => (seconds === 1 ? '1 second' : `${seconds} seconds`);

// advice turns a failure into something that a person can act on. own has better texts for statuses of one form.
function advice(failure, own = {}) {
  if (own[failure.status]) return own[failure.status];
  if (failure.status === 429) return `Too many tries. Wait ${failure.retryAfter ? wait(failure.retryAfter) : 'a minute'}, then try again.`;
  if (failure.status >= 500) return `${failure.message}. The server has a problem; try again in a moment, or ask whoever runs it to look at its log.`;
  return failure.message;
}

// ---------------------------------------------------------------- forms

// fault puts a text under a field, or takes it away.
function fault(input, text) {
  const id = `${input.id}-fault`;
  byId(id)?.remove();
  const described = (input.getAttribute('aria-describedby') ?? '').split(' ').filter((part) => part && part !== id);
  input.toggleAttribute('aria-invalid', false);
  if (text) {
    const p = document.createElement('p');
    p.id = id;
    p.className = 'fault';
    p.textContent = text;
    input.after(p);
    input.setAttribute('aria-invalid', 'true');
    described.unshift(id);
  }
  if (described.length) input.setAttribute('aria-describedby', described.join(' '));
  else input.removeAttribute('aria-describedby');
}

function faultOf(input, form) {
  const label = form.querySelector(`label[for="${input.id}"]`)?.firstChild.textContent.trim();
  if (input.validity.valueMissing) return `${label} is missing.`;
  if (input.validity.typeMismatch) return 'This is no e-mail address.';
  if (input.validity.tooShort || (input.minLength > 0 && input.value.length < input.minLength)) return `At least ${input.minLength} characters, please.`;
  if (/^confirm/.test(input.name)) {
    const first = form.elements[input.name === 'confirmPassword' ? 'password' : 'newPassword'];
    if (first.value !== input.value) return 'The two passwords differ.';
  }
  return '';
}

// onSubmit checks a form, sends it once, and shows what went wrong.
function onSubmit(form, send) {
  let busy = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    say('');
    complain('');
    const inputs = [...form.querySelectorAll('.field input')];
    for (const input of inputs) fault(input, faultOf(input, form));
    const wrong = inputs.find((input) => input.getAttribute('aria-invalid') === 'true');
    if (wrong) return wrong.focus();
    const button = form.querySelector('[type=submit]');
    busy = true;
    button.setAttribute('aria-disabled', 'true');
    try {
      await send(Object.fromEntries(new FormData(form)));
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      complain(failure.text ?? advice(failure));
    } finally {
      busy = false;
      button.removeAttribute('aria-disabled');
    }
  });
}

// better runs an action and replaces the texts of some statuses.
async function better(texts, action) {
  try {
    return await action();
  } catch (failure) {
    if (failure instanceof Failure) failure.text = advice(failure, texts);
    throw failure;
  }
}

onSubmit(byId('signin'), async ({ email, password }) => {
  await better({ 401: 'E-mail or password is wrong.' }, () => call('POST', '/api/basic-auth/sign-in', { email, password }));
  await load({ note: 'You are signed in.' });
});

onSubmit(byId('register'), async ({ displayName, email, password, confirmPassword }) => {
  const body = { email, password, confirmPassword };
  if (displayName.trim()) body.displayName = displayName.trim();
  if (setupToken) body.inviteToken = setupToken;
  await better({ 401: 'There is already an account with this e-mail address. Sign in instead.' }, () => call('POST', '/api/basic-auth/register', body));
  setupToken = '';
  await load({ note: 'Your account is ready.' });
});

onSubmit(byId('change'), async ({ currentPassword, newPassword, confirmNewPassword }) => {
  const email = byId('change-email').value;
  try {
    await call('POST', '/api/basic-auth/change-password', { currentPassword, newPassword, confirmNewPassword });
  } catch (failure) {
    if (failure instanceof Failure && failure.status === 401) {
      if (failure.message === 'Session expired') return load();
      fault(byId('change-current'), 'This is not your current password.');
      return byId('change-current').focus();
    }
    throw failure;
  }
  closeChange();
  await load({ note: 'The password is changed. Sign in with the new one.' });
  byId('signin-email').value = email;
});

function closeChange() {
  byId('change').reset();
  byId('change').hidden = true;
  byId('change-open').setAttribute('aria-expanded', 'false');
}

byId('change-open').addEventListener('click', () => {
  if (!byId('change').hidden) return closeChange();
  byId('change').hidden = false;
  byId('change-open').setAttribute('aria-expanded', 'true');
  byId('change-current').focus();
});

byId('signout').addEventListener('click', async () => {
  try {
    await call('POST', '/api/basic-auth/sign-out');
  } catch (failure) {
    return complain(advice(failure));
  }
  await load({ note: 'You are signed out.' });
});

byId('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(location.origin);
    say('The address is copied.');
  } catch { // browsers keep the clipboard from pages without HTTPS
    getSelection().selectAllChildren(byId('address'));
    say('The address is selected; copy it with your keyboard.');
  }
});

for (const button of document.querySelectorAll('[data-view]')) {
  button.addEventListener('click', () => {
    say('');
    complain('');
    show(button.dataset.view);
  });
}

byId('retry').addEventListener('click', () => load());

// ---------------------------------------------------------------- the account

function showWorkspaces(workspaces) {
  byId('workspaces').replaceChildren(...workspaces.map(({ name, role, isActive }) => {
    const item = document.createElement('li');
    for (const [kind, text] of [['name', name], ['role', isActive ? `${role}, active` : role]]) {
      const part = document.createElement('span');
      part.className = kind;
      part.textContent = text;
      item.append(part);
    }
    return item;
  }));
}

// load asks who is there and shows the page for it.
async function load({ note = '', focus = true } = {}) {
  let who, workspaces;
  try {
    who = await session();
    workspaces = who ? (await call('GET', '/api/workspaces')).workspaces : [];
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    complain('');
    if (failure.status === 404) return show('off', { focus });
    byId('unreachable-text').textContent = advice(failure);
    return show('unreachable', { focus });
  }
  for (const form of document.forms) form.reset();
  say(note);
  if (who) {
    byId('account-name').textContent = who.user.displayName ? `${who.user.displayName} (${who.user.email})` : who.user.email;
    byId('change-email').value = who.user.email ?? '';
    byId('address').textContent = location.origin;
    showWorkspaces(workspaces);
    return show('account', { focus });
  }
  byId('setup-text').hidden = !setupToken;
  byId('register-title').textContent = setupToken ? 'Create the first account' : 'Create an account';
  show(setupToken ? 'register' : 'signin', { focus });
}

load({ focus: false });
