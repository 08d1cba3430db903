/** Bytes of the begin and of the end of an output that are kept. */
const headBytes = 64 * 1024
const tailBytes = 192 * 1024

/** Keeps the begin and the end of an output, however long that is. Bytes that are no UTF-8 become replacement characters. */
export function createCapture() {
  const head: Buffer[] = []
  let headLength = 0
  let tail: Buffer[] = []
  let tailLength = 0
  let total = 0

  function addTail(chunk: Buffer): void {
    // Copied: a short piece must not hold the chunk that it came in.
    const kept = Buffer.from(chunk.subarray(-tailBytes))
    tail.push(kept)
    tailLength += kept.length
    if (tailLength < 2 * tailBytes) return
    tail = [Buffer.from(Buffer.concat(tail).subarray(-tailBytes))]
    tailLength = tailBytes
  }

  return {
    add(chunk: Buffer): void {
      total += chunk.length
      const room = headBytes - headLength
      if (room > 0) {
        const part = Buffer.from(chunk.subarray(0, room))
        head.push(part)
        headLength += part.length
      }
      if (chunk.length > room) addTail(chunk.subarray(Math.max(0, room)))
    },

    text(): string {
      const end = Buffer.concat(tail).subarray(-tailBytes)
      const left = total - headLength - end.length
      if (left === 0) return Buffer.concat([...head, end]).toString()
      return `${Buffer.concat(head)}\n… ${left} bytes left out …\n${end}`
    },
  }
}
