/** Remembers that it was called. */
export function logoutCleanup(nuxtApp: unknown) {
  document.documentElement.dataset.cleaned = String(Boolean(nuxtApp))
}
