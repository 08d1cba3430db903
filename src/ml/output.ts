import type { Readable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
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

/** How often the newest state of a line that is drawn again and again is told. */
const redrawMs = 1000
const longestRedrawMs = 60_000
/** What has drawn for long is told of less often, or a day would fill the log: the pause is this part of the time since. */
const redrawShare = 0.01

const lineFeed = 10
const carriageReturn = 13

/**
 * Splits bytes into lines, as they come. Holds at most one line, and never more than its allowed length: a writer without
 * line breaks fills no memory.
 *
 * Behind a carriage return a line is drawn anew, as progress bars do it: then its newest state is told once in a while, and its
 * last one when it ends. That makes fewer than 2000 lines in a day, however fast it is drawn.
 */
export function createLineSplitter(emit: (line: string) => void) {
  let begun: Buffer[] = []
  let begunBytes = 0
  /** Whether this line has been drawn anew. */
  let isRedrawn = false
  /** What this line was before its last carriage return. */
  let before = ''
  /** State of this line that was told last. */
  let told: string | undefined
  /** When a line was first drawn anew, by the clock of `performance`. */
  let firstRedraw: number | undefined
  let timer: NodeJS.Timeout | undefined

  return {
    write(chunk: Buffer): void {
      let start = 0
      for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
        const stop = end > start && chunk[end - 1] === carriageReturn ? end - 1 : end
        const part = chunk.subarray(start, stop)
        if (begunBytes === 0 && !isRedrawn && !part.includes(carriageReturn)) emit(text(part))
        else {
          writePart(part)
          endLine()
        }
        start = end + 1
      }
      if (start < chunk.length) writePart(chunk.subarray(start))
    },

    /** Ends a line that has no line break yet. */
    flush(): void {
      if (begunBytes > 0 || isRedrawn) endLine()
      firstRedraw = undefined
    },

    /** Forgets what was begun. */
    clear(): void {
      takeBegun()
      forgetStates()
    },
  }

  /** Bytes of one line. */
  function writePart(part: Buffer): void {
    let start = 0
    let end = part.indexOf(carriageReturn)
    for (; end !== -1; end = part.indexOf(carriageReturn, start)) {
      hold(part.subarray(start, end))
      redraw()
      start = end + 1
    }
    hold(part.subarray(start))
  }

  function hold(part: Buffer): void {
    // One byte more than is shown, so that the cut is seen; copied, so that a short rest does not hold its whole chunk.
    const room = maximumLineBytes + 1 - begunBytes
    if (room <= 0 || part.length === 0) return
    begun.push(Buffer.from(part.subarray(0, room)))
    begunBytes += Math.min(part.length, room)
  }

  function takeBegun(): string {
    const line = text(Buffer.concat(begun))
    begun = []
    begunBytes = 0
    return line
  }

  function redraw(): void {
    isRedrawn = true
    const state = takeBegun()
    // Blanks only take away what was there.
    if (visible(state) !== '') before = state
    schedule()
  }

  function schedule(): void {
    if (timer) return
    firstRedraw ??= performance.now()
    const share = (performance.now() - firstRedraw) * redrawShare
    timer = setTimeout(tellState, Math.min(longestRedrawMs, Math.max(redrawMs, share))).unref()
  }

  function tellState(): void {
    timer = undefined
    const state = visible(text(Buffer.concat(begun))) || visible(before)
    if (state !== '' && state !== told) emit(state)
    told = state
    schedule()
  }

  function endLine(): void {
    const last = takeBegun()
    const state = isRedrawn ? visible(last) || visible(before) : last
    if (!isRedrawn || state !== told) emit(state)
    forgetStates()
  }

  function forgetStates(): void {
    clearTimeout(timer)
    timer = undefined
    isRedrawn = false
    before = ''
    told = undefined
  }
}

/** A state of a line without what moves the cursor, and without blanks that only take an older state away. */
const visible = (state: string): string => stripVTControlCharacters(state).trimEnd()

/** An output as it stands in the end: of lines that were drawn anew, the last state. */
export function lastStates(output: string): string {
  if (!output.includes('\r')) return output
  const lines = output.replaceAll('\r\n', '\n').split('\n')
  return lines.map((line) => (line.includes('\r') ? lastState(line) : line)).join('\n')
}

function lastState(line: string): string {
  const states = line.split('\r').map(visible)
  return states.findLast((state) => state !== '') ?? ''
}

/** Of a line that is too long, enough to see so. */
const text = (line: Buffer): string => line.toString('utf8', 0, maximumLineBytes + 1)
