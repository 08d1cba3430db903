import type { PageRequest } from '../kernel/page.ts'

/** Items that are read at a stretch before it is known how large they are. */
const firstSlice = 100
const largestSlice = 1000
/** About so many characters of items are read and written at a stretch: others are answered in between. */
export const sliceLength = 512 * 1024

export interface Sliced<Item extends { id: string }> {
  /** The items of a page by key, in order. */
  fetch: (page: PageRequest) => Promise<Item[]>
  /** Default `JSON.stringify`. */
  toText?: (item: Item) => string
}

export interface Slice<Item> {
  items: Item[]
  texts: string[]
  /** Id of the last item. */
  last: string
}

/**
 * The items behind a place, as many at a time as are read and written without holding up others: a list may be long, and each of
 * its items large.
 */
export async function* slices<Item extends { id: string }>(
  { fetch, toText = (item: Item) => JSON.stringify(item) }: Sliced<Item>,
  start: string | null,
  most: number,
): AsyncGenerator<Slice<Item>, void> {
  let after = start
  let left = most
  for (let size = firstSlice; left > 0; ) {
    const wanted = Math.min(size, left)
    const items = await fetch({ kind: 'key', after, size: wanted, bytes: sliceLength })
    const last = items.at(-1)
    if (!last) return
    const texts = items.map(toText)
    yield { items, texts, last: last.id }
    left -= items.length
    after = last.id
    const length = texts.reduce((sum, text) => sum + text.length, 0)
    size = Math.max(1, Math.min(largestSlice, Math.floor((wanted * sliceLength) / length)))
    await turn()
  }
}

/** Lets the event loop take what has come meanwhile. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
