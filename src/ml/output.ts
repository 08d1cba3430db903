import type { Readable } from 'node:stream'
import type { LogStream } from './run.ts'

/** Longest line that is kept; the rest of a longer one is cut off. */
const maximumLineBytes = 8 * 1024
/** What one run may say in all, before the rest is dropped. */
const maximumRunBytes = 4 * 1024 * 1024
/** What is read of a stream before there is a pause, and how long that is: 64 MiB a second at most. */
const biteBytes = 256 * 1024
const bitePauseMs = 4
/** What a line costs besides its text, so that empty lines are not free. */
const lineCost = 32

export type LogLimit = ReturnType<typeof createLogLimit>

/** Passes lines on until a run has said as much as one run may; then says so once and drops the rest. */
export function createLogLimit(emit: (stream: LogStream, line: string) => void) {
  let left = maximumRunBytes

  return {
    isSpent: (): boolean => left < 0,

    add(stream: LogStream, line: string): void {
      if (left < 0) return
      const text = cut(line)
      left -= text.length + lineCost
      emit(stream, left < 0 ? '… output truncated: a run may log up to 4 MiB' : text)
    },
  }
}

function cut(line: string): string {
  return line.length > maximumLineBytes ? `${line.slice(0, maximumLineBytes)}…` : line
}

/**
 * Reads a stream in bites with pauses between: a model that prints without end has to wait, rather than everybody who waits
 * for this thread.
 */
export function readInBites(stream: Readable | null, take: (chunk: Buffer) => void) {
  let taken = 0
  let isHurried = false
  stream?.on('data', (chunk: Buffer) => {
    take(chunk)
    taken += chunk.length
    if (isHurried || taken < biteBytes) return
    taken = 0
    stream.pause()
    setTimeout(() => stream.resume(), bitePauseMs)
  })

  return {
    /** Leaves the pauses out, to have at once what lies in the stream. */
    hurry(): void {
      isHurried = true
      stream?.resume()
    },
    relax(): void {
      isHurried = false
    },
  }
}

export type LineSplitter = ReturnType<typeof createLineSplitter>

/**
 * Splits bytes into lines, as they come. Holds at most one line, and never more than its allowed length: a writer without
 * line breaks fills no memory.
 */
export function createLineSplitter(emit: (line: string) => void) {
  let begun: Buffer[] = []
  let begunBytes = 0

  return {
    write(chunk: Buffer): void {
      let start = 0
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
        if (begunBytes === 0) emit(text(chunk, start, end))
        else finish(chunk.subarray(start, end))
        start = end + 1
      }
      if (start < chunk.length) hold(chunk.subarray(start))
    },

    /** Ends a line that has no line break yet. */
    flush(): void {
      if (begunBytes > 0) finish(Buffer.alloc(0))
    },

    /** Forgets what was begun. */
    clear(): void {
      begun = []
      begunBytes = 0
    },
  }

  function hold(part: Buffer): void {
    // One byte more than is shown, so that the cut is seen; copied, so that a short rest does not hold its whole chunk.
    const room = maximumLineBytes + 1 - begunBytes
    if (room <= 0 || part.length === 0) return
    begun.push(Buffer.from(part.subarray(0, room)))
    begunBytes += Math.min(part.length, room)
  }

  function finish(rest: Buffer): void {
    hold(rest)
    const line = Buffer.concat(begun)
    begun = []
    begunBytes = 0
    emit(text(line, 0, line.length))
  }
}

/** A line without its line break; of one that is too long, enough to see so. */
function text(bytes: Buffer, start: number, end: number): string {
  const last = bytes[end - 1] === 13 && end > start ? end - 1 : end
  return bytes.toString('utf8', start, Math.min(last, start + maximumLineBytes + 1))
}
