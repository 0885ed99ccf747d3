/**
 * bringIntoView scrolls just far enough to show all of an element, or its beginning if it is taller than the
 * viewport.
 */
export function bringIntoView(element: Element | null | undefined): void {
  if (!element) return
  const room = element.closest('.or3-body') ?? document.documentElement
  const fits = element.getBoundingClientRect().height <= room.clientHeight
  element.scrollIntoView({ block: fits ? 'nearest' : 'start' })
}
