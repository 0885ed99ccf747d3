import { circle, icon } from './icon'

export const CloseIcon = icon('M6 6l12 12', 'M18 6L6 18')
export const EyeIcon = icon('M2 12c2.5-4.7 6-7 10-7s7.5 2.3 10 7c-2.5 4.7-6 7-10 7s-7.5-2.3-10-7z', circle(12, 12, 3))
export const EyeOffIcon = icon('M2 12c2.5-4.7 6-7 10-7s7.5 2.3 10 7c-2.5 4.7-6 7-10 7s-7.5-2.3-10-7z', 'M4 3l16 18')
export const PencilIcon = icon('M4 20l1-5L16 4l4 4L9 19z')
export const TrashIcon = icon('M4 7h16', 'M9 7V4h6v3', 'M6 7l1 13h10l1-13', 'M10 11v5', 'M14 11v5')
export const PhoneIcon = icon('M7 2h10v20H7z', 'M11 18h2')
export const TabletIcon = icon('M4 2h16v20H4z', 'M11 18h2')
export const ComputerIcon = icon('M3 5h18v11H3z', 'M8 20h8', 'M12 16v4')
export const LockIcon = icon('M5 11h14v10H5z', 'M8 11V7a4 4 0 0 1 8 0v4')
export const BusyIcon = icon('M12 3a9 9 0 1 0 9 9')
