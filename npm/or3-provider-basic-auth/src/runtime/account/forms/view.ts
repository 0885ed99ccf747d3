/**
 * bringIntoView scrolls as little as shows the whole of an element, or its beginning if it is longer than there is
 * room.
 */
export function bringIntoView(element: Element | null | undefined): void {
  if (!element) return
  const room = element.closest('.or3-body') ?? document.documentElement
  const fits = element.getBoundingClientRect().height <= room.clientHeight
  element.scrollIntoView({ block: fits ? 'nearest' : 'start' })
}
