/** What is registered under an id: a later registration of the same id replaces an earlier one. */
export class Named<T> {
  /** The ids of all that was registered anywhere, for tests of who is silent. */
  static readonly ids = new Set<string>()
  readonly #entries = new Map<string, T>()

  register(id: string, entry: T): void {
    Named.ids.add(id)
    this.#entries.set(id, entry)
  }

  get(id: string): T | undefined {
    return this.#entries.get(id)
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }
}

/** What providers register: create makes an instance when one is wanted. */
export interface Registration<T> {
  id: string
  order?: number
  create: () => T
}
