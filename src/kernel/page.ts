import { ChapkitError, type Issue } from '../errors.ts'
import { ulidSchema } from './id.ts'
import { show } from './show.ts'

export const maximumPageSize = 1000
/** Far beyond any list, and far below where a database's offset ends. */
const maximumPage = 1_000_000_000

/**
 * How a list is asked for: whole, by number (`page` and `size` both given) or by key (`after` and `size`).
 * By key, a page begins behind the entity with id `after`, or at the start when `after` is null.
 */
export type PageRequest =
  | { kind: 'all' }
  | { kind: 'number'; page: number; size: number }
  // Where the items are more than so many bytes together there come fewer, one at least.
  | { kind: 'key'; after: string | null; size: number; bytes?: number }

/** A page by number, in the key order of the wire. */
export interface Page<Item> {
  items: Item[]
  total: number
  page: number
  size: number
  pages: number
}

export interface PageQuery {
  page?: number
  size?: number
  after?: string
}

/** JSON Schema of the three query parameters. */
export const pageQueryProperties = {
  page: {
    type: 'integer',
    minimum: 1,
    maximum: maximumPage,
    description: 'Page number from 1; needs `size`',
  },
  size: {
    type: 'integer',
    minimum: 1,
    maximum: maximumPageSize,
    description: `Items per page, 1 to ${maximumPageSize}`,
  },
  after: {
    ...ulidSchema,
    description:
      'Id of the last item seen: the next `size` items follow, with a `Link` header to go on',
  },
} as const

/**
 * Reads the query of a list. Only `page` with `size`, or `after` with an optional `size` (100 by default), page the list;
 * anything else is the whole list, as clients of the contract expect.
 */
export function toPageRequest(query: PageQuery): PageRequest {
  const { page, size, after } = query
  if (after !== undefined) {
    if (page !== undefined) {
      throw new ChapkitError('validation-failed', 'Expected either `page` or `after`, got both')
    }
    return { kind: 'key', after, size: size ?? 100 }
  }
  if (page !== undefined && size !== undefined) return { kind: 'number', page, size }
  return { kind: 'all' }
}

export function toPage<Item>(items: Item[], total: number, page: number, size: number): Page<Item> {
  return { items, total, page, size, pages: Math.ceil(total / size) }
}

/** What is expected where an id should be. */
export const ulidText = 'a ULID (26 characters of upper-case Crockford base32)'
export const ulidIssueType = 'ulid_format'

export function ulidIssue(loc: Issue['loc'], came: unknown): Issue {
  return { loc, msg: `Expected ${ulidText}, got ${show(came)}`, type: ulidIssueType }
}
