import { h, type FunctionalComponent } from 'vue'

/** Icons are drawn here: an icon by name would be fetched from another host when its collection is not installed. They say nothing; the button does. */
const icon = (...paths: string[]): FunctionalComponent => {
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

const circle = (x: number, y: number, r: number) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`

export const PersonIcon = icon(circle(12, 8, 4), 'M4 21c0-4 3.6-6 8-6s8 2 8 6')
export const CloseIcon = icon('M6 6l12 12', 'M18 6L6 18')
export const EyeIcon = icon('M2 12c2.5-4.7 6-7 10-7s7.5 2.3 10 7c-2.5 4.7-6 7-10 7s-7.5-2.3-10-7z', circle(12, 12, 3))
export const EyeOffIcon = icon('M2 12c2.5-4.7 6-7 10-7s7.5 2.3 10 7c-2.5 4.7-6 7-10 7s-7.5-2.3-10-7z', 'M4 3l16 18')
export const KeyIcon = icon(circle(8, 15, 4), 'M11 12l9-9', 'M16 7l3 3')
export const PencilIcon = icon('M4 20l1-5L16 4l4 4L9 19z')
export const TrashIcon = icon('M4 7h16', 'M9 7V4h6v3', 'M6 7l1 13h10l1-13', 'M10 11v5', 'M14 11v5')
export const DeviceIcon = icon('M3 5h18v11H3z', 'M8 20h8', 'M12 16v4')
export const SignOutIcon = icon('M10 4H5v16h5', 'M9 12h11', 'M16 8l4 4-4 4')
export const GearIcon = icon(circle(12, 12, 3), 'M12 3v3', 'M12 18v3', 'M3 12h3', 'M18 12h3', 'M5.6 5.6l2.1 2.1', 'M16.3 16.3l2.1 2.1', 'M5.6 18.4l2.1-2.1', 'M16.3 7.7l2.1-2.1')
export const LockIcon = icon('M5 11h14v10H5z', 'M8 11V7a4 4 0 0 1 8 0v4')
export const BusyIcon = icon('M12 3a9 9 0 1 0 9 9')
