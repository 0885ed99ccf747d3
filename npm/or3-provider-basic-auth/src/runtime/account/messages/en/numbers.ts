export const plural = (n: number, one: string, many: string) => n === 1 ? `1 ${one}` : `${n} ${many}`

export const duration = (seconds: number) => seconds < 120 ? plural(seconds, 'second', 'seconds') : plural(Math.ceil(seconds / 60), 'minute', 'minutes')
