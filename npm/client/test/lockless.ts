/**
 * Takes from newer versions of Node.js the locks that hold back all tabs but one. Each tab syncs without them, which is
 * harder; and what is several devices in one process would be the tabs of one.
 */
export function withoutLocks(): void {
  Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true })
}
