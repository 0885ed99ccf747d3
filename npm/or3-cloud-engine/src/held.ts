/** All members of an answer, so that none is forgotten when the protocol gets another. */
export type Members<T> = { readonly [Name in keyof Required<T>]: true }

/**
 * An answer that came as JSON and usually leaves as JSON, such as a few megabytes of changes. It is parsed when
 * code reads a member. A host that returns it unchanged need not parse it: h3 sends objects with `arrayBuffer` and
 * `type`, such as a Blob, as bytes. Other code sees an object with these members.
 */
export function heldAnswer<T>(json: Buffer, members: Members<T>): T {
  const held = new HeldAnswer(json)
  for (const name in members) {
    Object.defineProperty(held, name, {
      enumerable: true,
      get: () => (held.value() as T)[name],
    })
  }
  return held as unknown as T
}

class HeldAnswer {
  readonly #json: Buffer
  #value: unknown

  constructor(json: Buffer) {
    this.#json = json
  }

  /** The media type, where h3 sends it. */
  get type(): string {
    return 'application/json'
  }

  arrayBuffer(): Promise<ArrayBufferLike> {
    const { buffer, byteOffset, byteLength } = this.#json
    const whole = byteLength === buffer.byteLength
    return Promise.resolve(whole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength))
  }

  value(): unknown {
    return (this.#value ??= JSON.parse(this.#json.toString('utf8')))
  }
}
