import { circle, icon } from './icon'

export const PersonIcon = icon(circle(12, 8, 4), 'M4 21c0-4 3.6-6 8-6s8 2 8 6')
export const KeyIcon = icon(circle(8, 15, 4), 'M11 12l9-9', 'M16 7l3 3')
export const SignOutIcon = icon('M10 4H5v16h5', 'M9 12h11', 'M16 8l4 4-4 4')
export const GearIcon = icon(circle(12, 12, 3), 'M12 3v3', 'M12 18v3', 'M3 12h3', 'M18 12h3', 'M5.6 5.6l2.1 2.1', 'M16.3 16.3l2.1 2.1', 'M5.6 18.4l2.1-2.1', 'M16.3 7.7l2.1-2.1')
