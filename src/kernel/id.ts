import { monotonicFactory } from 'ulid'
import { ChapkitError } from '../errors.ts'

const ulidPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

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

/**
 * A source of ULIDs that grow strictly, also within one millisecond and when the clock steps back.
 * `now` is milliseconds since 1970.
 */
export function createIds(now: () => number): () => string {
  const next = monotonicFactory(pooledRandom())
  return () => next(now())
}

/** Numbers from 0 to 1 in steps of 1/256, from the system's random bytes: asked for a thousand at a time, not one by one. */
function pooledRandom(): () => number {
  const pool = new Uint8Array(1024)
  let at = pool.length
  return () => {
    if (at === pool.length) {
      crypto.getRandomValues(pool)
      at = 0
    }
    return (pool[at++] as number) / 256
  }
}
