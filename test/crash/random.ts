/** Random numbers that a seed repeats (mulberry32). */
export function seeded(seed: number) {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    /** A whole number from 0 up to, not including, `limit`. */
    below: (limit: number): number => Math.floor(next() * limit),
    pick: <Item>(items: readonly Item[]): Item => items[Math.floor(next() * items.length)] as Item,
    /** A generator of its own, so that those who take turns at random do not change what each other draws. */
    fork: () => seeded(Math.floor(next() * 2 ** 32)),
  }
}

export type Random = ReturnType<typeof seeded>
