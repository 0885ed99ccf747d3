/** followColorScheme keeps the class that Nuxt UI uses for dark mode in step with the browser's preference. */
export function followColorScheme(window: Window) {
  const dark = window.matchMedia('(prefers-color-scheme: dark)')
  const apply = () => window.document.documentElement.classList.toggle('dark', dark.matches)
  dark.addEventListener('change', apply)
  apply()
}
