import { createHmac } from 'node:crypto'

/**
 * code returns the six digits that an authenticator app shows for a key (RFC 6238), now or some 30-second steps later:
 * each is accepted only once.
 */
export function code(key: string, stepsLater = 0): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + stepsLater))
  const digest = createHmac('sha1', base32(key)).update(counter).digest()
  const offset = digest[digest.length - 1]! & 15
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

function base32(text: string): Buffer {
  const bytes: number[] = []
  let value = 0, bits = 0
  for (const letter of text.replace(/[\s=]/g, '').toUpperCase()) {
    value = (value << 5) | 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter)
    bits += 5
    if (bits >= 8) bytes.push((value >>> (bits -= 8)) & 255)
  }
  return Buffer.from(bytes)
}
