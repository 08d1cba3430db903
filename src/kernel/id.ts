import { encodeTime } from 'ulid'
import { ChapkitError } from '../errors.ts'

export const ulidPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** JSON Schema of an id, for request bodies and the OpenAPI document. */
export const ulidSchema = {
  type: 'string',
  pattern: ulidPattern.source,
  description: 'ULID: 26 characters of upper-case Crockford base32',
} as const

export function isUlid(value: unknown): value is string {
  return typeof value === 'string' && ulidPattern.test(value)
}

/** The id as it stands in a path. Throws `invalid-ulid` (400). */
export function parseUlid(raw: string): string {
  if (ulidPattern.test(raw)) return raw
  throw new ChapkitError('invalid-ulid', `Invalid ULID format: ${raw.slice(0, 100)}`)
}

/** What the 48 bits of a ULID's time hold. */
const latestMs = 2 ** 48 - 1

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** The last four characters of an id, which count on within a millisecond. */
const tails = 32 ** 4

/** A clock that steps back no further is only corrected, in milliseconds; otherwise it was wrong before, and is set. */
const correctedMs = 1000

/**
 * A source of ULIDs that grow strictly, also within one millisecond and when the clock is corrected a little. When it is set back,
 * they begin anew with it: their time is when they were made, as far as the clock knows. `now` is milliseconds since 1970. Every
 * request takes one: within a millisecond only their ends are made anew.
 */
export function createIds(now: () => number): () => string {
  const random = pooledRandom()
  let last = Number.NEGATIVE_INFINITY
  let head = ''
  let tail = 0

  function begin(at: number): void {
    last = at
    head = encodeTime(at)
    for (let place = 0; place < 12; place++) head += alphabet[random() & 31]
    // The upper half is left to count in.
    tail = (random() << 8) | random()
  }

  return () => {
    const at = Math.min(Math.max(0, now()), latestMs)
    if (at > last || at < last - correctedMs) begin(at)
    // Counted out, the ids of this millisecond go on in the next.
    else if (++tail === tails) begin(last + 1)
    return head + pairs[tail >> 10] + pairs[tail & 1023]
  }
}

const pairs = Array.from(alphabet, (first) => Array.from(alphabet, (next) => first + next)).flat()

/** Random bytes of the system, asked for a thousand at a time, not one by one. */
function pooledRandom(): () => number {
  const pool = new Uint8Array(1024)
  let at = pool.length
  return () => {
    if (at === pool.length) {
      crypto.getRandomValues(pool)
      at = 0
    }
    return pool[at++] as number
  }
}
