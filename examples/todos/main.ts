// A list of todos that works offline, in many tabs and on many devices. Nothing here waits for the server.
import { Dexie, liveQuery, type EntityTable } from 'dexie'
import { connect, createAccount, SyncError, syncStores, type SyncStatus } from 'or3-cloud-client'

interface Todo { id: string, title: string, done: boolean, at: Date }

// 1. The database: your tables, and those of sync.
const db = new Dexie('todos') as Dexie & { todos: EntityTable<Todo, 'id'> }
db.version(1).stores({ todos: 'id, at', ...syncStores })

// 2. Connect it, before it is used. From here on every write is captured.
const sync = connect(db, { tables: ['todos'] })

// 3. The app is an app on Dexie, and nothing else.
const add = (title: string): Promise<unknown> => db.todos.add({ id: crypto.randomUUID(), title, done: false, at: new Date() })
const toggle = (todo: Todo): Promise<unknown> => db.todos.update(todo.id, { done: !todo.done })
const remove = (todo: Todo): Promise<unknown> => db.todos.delete(todo.id)

liveQuery(() => db.todos.orderBy('at').toArray()).subscribe(todos => element('#list').replaceChildren(...todos.map(item)))

// 4. What the page says about sync.
const account = createAccount()

const words: Record<SyncStatus['state'], string> = {
  'starting': 'Looking for the server…',
  'syncing': 'Syncing…',
  'live': 'All devices have everything.',
  'following': 'Another tab syncs.',
  'offline': 'Offline. Your edits are kept.',
  'signed-out': 'Sign in to have your todos on all devices.',
  'other-account': 'These todos belong to another account.',
  'forbidden': 'The workspace is gone. Your edits are kept.',
  'storage': 'The browser has no room.',
  'closed': '',
}

sync.subscribe(({ state, pending }) => {
  element('#status').textContent = words[state] + (pending > 0 ? ` ${pending} not sent yet.` : '')
  element('#sign-in').hidden = state !== 'signed-out'
})

sync.on('conflict', ({ lost, won }) => say(`“${title(lost)}” was changed on another device, too, to “${title(won)}”.`))
sync.on('refused', ({ message }) => say(`Something stays on this device: ${message}`))
sync.on('storage', ({ message }) => say(message))

// 5. Signing in. Edits from before go along.
onSubmit('#sign-in', async (form) => {
  try {
    await account.signIn(String(form.get('email')), String(form.get('password')))
  }
  catch (error) {
    say(error instanceof SyncError && error.code === 'signed-out' ? 'E-mail address or password is wrong.' : String(error))
  }
})

onSubmit('#add', form => add(String(form.get('title'))))

// The page.
function item(todo: Todo): HTMLLIElement {
  const line = document.createElement('li')
  const label = document.createElement('label')
  const box = Object.assign(document.createElement('input'), { type: 'checkbox', checked: todo.done, onchange: () => toggle(todo) })
  label.append(box, ` ${todo.title} `)
  line.append(label, Object.assign(document.createElement('button'), { textContent: 'Delete', onclick: () => remove(todo) }))
  return line
}

function element(selector: string): HTMLElement {
  return document.querySelector<HTMLElement>(selector)!
}

function onSubmit(selector: string, submitted: (form: FormData) => Promise<unknown>): void {
  element(selector).addEventListener('submit', (event) => {
    event.preventDefault()
    const form = event.target as HTMLFormElement
    void submitted(new FormData(form)).then(() => form.reset())
  })
}

function say(text: string): void {
  const line = document.createElement('p')
  line.setAttribute('role', 'alert')
  line.textContent = text
  element('#list').before(line)
}

function title(todo: Record<string, unknown> | undefined): string {
  return todo ? String(todo.title) : 'nothing'
}
