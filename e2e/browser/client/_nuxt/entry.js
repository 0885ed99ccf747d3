// The least that a client does: it shows what it was told, and writes styles into elements as frameworks do.
const { public: told } = window.__NUXT__.config
const list = document.querySelector('dl')
for (const [key, value] of Object.entries({ ...told, ...told.sync })) {
  list.insertAdjacentHTML('beforeend', `<div style="display: flex"><dt></dt><dd></dd></div>`)
  list.lastChild.firstChild.textContent = key
  list.lastChild.lastChild.textContent = String(value)
}
await navigator.serviceWorker.register('/sw.js')
