/**
 * Lets one caller pass in each turn of the event loop, in the order in which they came: a hundred streams at once would else
 * make one turn as long as a hundred chunks, and whatever else the process answers would wait for all of them.
 */
export function createTurns(): () => Promise<void> {
  const line: (() => void)[] = []

  function next(): void {
    line.shift()?.()
    if (line.length > 0) setImmediate(next)
  }

  return () =>
    new Promise((resolve) => {
      if (line.push(resolve) === 1) setImmediate(next)
    })
}
