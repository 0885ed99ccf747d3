// The search: of all sections that have all words, those first whose titles have them.
const field = document.querySelector('input[name=q]')
const results = document.getElementById('results')

// On a phone the menu would be above the text.
if (matchMedia('(max-width: 60rem)').matches) document.querySelector('.menu').open = false

if (results) {
  const status = document.getElementById('found')
  const index = fetch('search.json').then(answer => answer.json())
  const show = async () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(word => word !== '')
    const rank = ({ title, page, text }) => {
      const [high, low] = [title.toLowerCase(), `${title} ${page} ${text}`.toLowerCase()]
      if (!words.every(word => low.includes(word))) return 0
      return 1 + words.filter(word => high.includes(word)).length + (high === words.join(' ') ? 100 : 0)
    }
    const found = (await index).map((entry, n) => ({ entry, n, rank: rank(entry) })).filter(f => f.rank > 0)
    found.sort((a, b) => b.rank - a.rank || a.n - b.n)
    results.replaceChildren(...found.map(({ entry }) => item(entry, words)))
    status.textContent = words.length === 0 ? 'All sections and settings.' : `${found.length} found.`
  }
  const item = ({ title, page, url, text }, words) => {
    const li = document.createElement('li')
    const a = document.createElement('a')
    a.href = url
    a.textContent = title
    const from = document.createElement('small')
    from.textContent = page
    li.append(a, ' ', from)
    if (words.length > 0) {
      const at = Math.max(0, Math.min(...words.map(word => text.toLowerCase().indexOf(word)).filter(i => i >= 0), text.length) - 60)
      const p = document.createElement('p')
      p.textContent = `${at > 0 ? '…' : ''}${text.slice(at, at + 200)}${at + 200 < text.length ? '…' : ''}`
      li.append(p)
    }
    return li
  }
  field.value = new URLSearchParams(location.search).get('q') ?? ''
  field.addEventListener('input', () => {
    history.replaceState(null, '', `?q=${encodeURIComponent(field.value)}`)
    void show()
  })
  field.form.addEventListener('submit', event => event.preventDefault())
  if (field.value !== '') void show()
  field.focus()
}
