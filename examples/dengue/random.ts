/** Numbers from 0 up to 1, the same for the same seed (mulberry32): a forecast can be repeated to the last digit. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One of the items, each as likely as the others. */
export function pick<Item>(items: readonly Item[], random: () => number): Item {
  if (items.length === 0) throw new Error('Expected something to pick from, got an empty list')
  return items[Math.floor(random() * items.length)]!
}
