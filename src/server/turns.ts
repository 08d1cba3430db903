/** Bytes of bodies that are read in one turn of the event loop, beyond the first: about so much work is between two probes. */
const bytesATurn = 32 * 1024

/**
 * Has bodies read in turns of the event loop. Many may be complete in the same one, and each is read, checked and acted on at a
 * stretch: one after the other they would hold up whoever asks in between.
 */
export function createTurns(): (bytes: number, work: () => void) => void {
  const line: { bytes: number; work: () => void }[] = []
  let used = 0
  let scheduled = false

  function schedule() {
    if (scheduled) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      used = 0
      while (line.length > 0 && used < bytesATurn) {
        const { bytes, work } = line.shift() as (typeof line)[number]
        used += bytes
        work()
      }
      if (line.length > 0) schedule()
    })
  }

  return (bytes, work) => {
    if (line.length > 0 || used >= bytesATurn) line.push({ bytes, work })
    else {
      used += bytes
      work()
    }
    schedule()
  }
}
