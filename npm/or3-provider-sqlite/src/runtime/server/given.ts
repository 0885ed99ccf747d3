/** The fields of an input that have a value: the engine has no null or undefined; it leaves fields out. */
export function given<T extends object>(input: T): Given<T> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null && value !== undefined)) as Given<T>
}

type Given<T> = { [K in keyof T]: Exclude<T[K], null> }

/** An object without some of its members. */
export function without<T extends object, K extends keyof T>(of: T, ...names: K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(of).filter(([name]) => !names.includes(name as K))) as Omit<T, K>
}
