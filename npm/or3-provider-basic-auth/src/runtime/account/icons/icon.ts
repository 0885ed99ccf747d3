import { h, type FunctionalComponent } from 'vue'

/**
 * Icons are drawn here: an icon by name would be fetched from another host if its collection is not installed. They
 * have no label; the button does.
 */
export const icon = (...paths: string[]): FunctionalComponent => {
  const Icon: FunctionalComponent = () => h('svg', {
    'class': 'or3-icon',
    'viewBox': '0 0 24 24',
    'width': '1.25em',
    'height': '1.25em',
    'fill': 'none',
    'stroke': 'currentColor',
    'stroke-width': '2',
    'stroke-linecap': 'round',
    'stroke-linejoin': 'round',
    'aria-hidden': 'true',
    'focusable': 'false',
  }, paths.map(d => h('path', { d })))
  return Icon
}

export const circle = (x: number, y: number, r: number) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`
