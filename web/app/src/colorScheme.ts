/** followColorScheme keeps the class by which Nuxt UI knows dark from light in step with what the browser asks for. */
export function followColorScheme(window: Window) {
  const dark = window.matchMedia('(prefers-color-scheme: dark)')
  const apply = () => window.document.documentElement.classList.toggle('dark', dark.matches)
  dark.addEventListener('change', apply)
  apply()
}
