export const email: string
export const password: string
export const settings: Record<string, string>
