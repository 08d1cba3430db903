import { closeSync, constants, openSync, write, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/*
 * Where the log goes: stdout, whatever that is. Its disk may be full, its reader may stand still or be gone; requests and stops
 * go on. Lines wait in bounded memory, what comes beyond is counted and dropped, and the count is told when lines go out again.
 *
 * The writer that the log library brings was not taken: it tries again in a circle that lets nothing else run, at a stop for ever.
 */

const descriptor = 1
/** Lines are written when so much has come together, or so long after the first. */
const batchCharacters = 4096
const batchMs = 100
/** What may wait, in characters; what is being written is as much again at most. */
const waitingCharacters = 256 * 1024
/** When a pipe that is full is tried again, and when what failed otherwise. */
const fullAgainMs = 50
const failedAgainMs = 1000
/** How long a write may take until the process does not wait for it at its end. */
const stuckMs = 1000

export interface LogDestinationOptions {
  /** Lines could not be kept. */
  onDropped: (lines: number) => void
  /** Lines go out again, after so many were dropped. */
  onRecovered: (dropped: number) => void
}

export type LogDestination = ReturnType<typeof createLogDestination>

export function createLogDestination({ onDropped, onRecovered }: LogDestinationOptions) {
  const target = openTarget()
  const batch = target.isTerminal ? 0 : batchCharacters
  let waiting: string[] = []
  let waitingLength = 0
  /** What is being written, or is to be tried again. */
  let current: Buffer | undefined
  let isWriting = false
  let writingSince = 0
  let dropped = 0
  let timer: NodeJS.Timeout | undefined
  let idle: PromiseWithResolvers<void> | undefined
  let isClosed = false

  const destination = {
    write(line: string): void {
      if (isClosed) return
      if (waitingLength + line.length > waitingCharacters) {
        dropped++
        onDropped(1)
        return
      }
      waiting.push(line)
      waitingLength += line.length
      if (current !== undefined) return
      if (waitingLength >= batch) begin()
      else later(batchMs)
    },

    /** Writes what waits, as far as that is possible within so many milliseconds. */
    async flush(milliseconds: number): Promise<void> {
      if (current === undefined) begin()
      else if (!isWriting) attempt()
      if (current === undefined) return
      idle ??= Promise.withResolvers()
      const over = Promise.withResolvers<void>()
      const deadline = setTimeout(over.resolve, milliseconds)
      await Promise.race([idle.promise, over.promise])
      clearTimeout(deadline)
    },

    /** Ends the log, with what still waits if that goes at once. */
    close(): void {
      isClosed = true
      clearTimeout(timer)
      endings.delete(destination)
      if (endings.size === 0) process.off('exit', writeAllLast)
      destination.writeLast()
      target.close()
    },

    /** The last chance, when the process ends: one attempt that cannot take long. */
    writeLast(): void {
      // A thread that never comes back from its disk would hold the process for ever.
      if (isWriting && performance.now() - writingSince > stuckMs)
        process.kill(process.pid, 'SIGKILL')
      if (isWriting || target.mayBlock) return
      const rest = Buffer.concat([current ?? Buffer.alloc(0), Buffer.from(waiting.join(''))])
      waiting = []
      try {
        for (let from = 0; from < rest.length; ) from += writeSync(target.fd, rest, from)
      } catch {
        // Nobody is left to be told.
      }
    },
  }
  if (endings.size === 0) process.on('exit', writeAllLast)
  endings.add(destination)
  return destination

  function later(milliseconds: number): void {
    timer ??= setTimeout(() => {
      timer = undefined
      if (current === undefined) begin()
      else if (!isWriting) attempt()
    }, milliseconds)
    timer.unref()
  }

  function begin(): void {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length === 0) {
      idle?.resolve()
      idle = undefined
      return
    }
    current = Buffer.from(waiting.join(''))
    waiting = []
    waitingLength = 0
    attempt()
  }

  function attempt(): void {
    isWriting = true
    writingSince = performance.now()
    write(target.fd, current!, (error, written) => {
      isWriting = false
      if (error) failed(error)
      else wrote(written)
    })
  }

  function failed({ code }: NodeJS.ErrnoException): void {
    const isFull = code === 'EAGAIN'
    if (!isFull) {
      // Nothing is waited for that may never come.
      idle?.resolve()
      idle = undefined
    }
    later(isFull ? fullAgainMs : failedAgainMs)
  }

  function wrote(count: number): void {
    current = current!.subarray(count)
    if (current.length > 0) {
      attempt()
      return
    }
    current = undefined
    const lost = dropped
    dropped = 0
    if (waitingLength >= batch || idle) begin()
    else if (waiting.length > 0) later(batchMs)
    // Only now is there room for it: what waits may have filled all there is.
    if (lost > 0) onRecovered(lost)
  }
}

/** Destinations that have something to do when the process ends: one listener for all. */
const endings = new Set<{ writeLast(): void }>()

function writeAllLast(): void {
  for (const each of endings) each.writeLast()
}

interface Target {
  fd: number
  isTerminal: boolean
  /** Whether a write can wait for somebody. */
  mayBlock: boolean
  close(): void
}

function openTarget(): Target {
  // Without a listener what a model or a route prints would end the service, once nobody reads it.
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore)
  }
  // Node has made pipes and sockets such that a write does not wait, when it made `process.stdout` of them.
  const shared = { fd: descriptor, isTerminal: false, mayBlock: false, close: () => {} }
  if (!isatty(descriptor)) return shared
  try {
    // The terminal once more, for ourselves: one that was stopped with Ctrl-S holds no thread.
    const fd = openSync(
      `/proc/self/fd/${descriptor}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    )
    return { fd, isTerminal: true, mayBlock: false, close: () => closeSync(fd) }
  } catch {
    return { ...shared, isTerminal: true, mayBlock: true }
  }
}

function ignore(): void {}
