export function environment(host: string, more?: Record<string, string>): Record<string, string>
