/** The form of this host: base is that of February 2026, newest that of autumn 2026. */
export const newest: boolean = true
