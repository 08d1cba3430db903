/** Runs the tasks of one key one after another; those of different keys side by side. */
export function createExclusive() {
  const tails = new Map<string, Promise<unknown>>()

  return function exclusively<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const before = tails.get(key) ?? Promise.resolve()
    const result = before.then(task)
    const tail = result
      .catch(() => {})
      .then(() => {
        if (tails.get(key) === tail) tails.delete(key)
      })
    tails.set(key, tail)
    return result
  }
}
