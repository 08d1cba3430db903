import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface PaceOptions {
  /** Bytes per second below which a client holds a connection for nothing. @default 1024 */
  minimumRate?: number
  /** Over how many milliseconds the rate is taken. @default 15_000 */
  windowMs?: number
}

interface Look {
  read: number
  written: number
  /** When it was, in milliseconds. */
  at: number
}

interface Watched {
  request: IncomingMessage | undefined
  response: ServerResponse | undefined
  /** What had moved at each look, as far back as the window reaches. */
  looks: Look[]
}

/**
 * Cuts clients that send a body, or read an answer, more slowly than 1 KiB/s over 15 s. A connection that waits for us, or has
 * nothing to say, is left alone, and so is a long transfer that keeps up: there is no limit on the whole.
 */
export function watchPace(server: Server, options: PaceOptions = {}): { stop(): void } {
  const { minimumRate = 1024, windowMs = 15_000 } = options
  const now = () => performance.now()
  const connections = new Map<Socket, Watched>()

  server.on('connection', (socket: Socket) => {
    connections.set(socket, { request: undefined, response: undefined, looks: [] })
    socket.once('close', () => connections.delete(socket))
  })
  server.on('request', (request, response) => {
    const watched = connections.get(request.socket)
    if (!watched) return
    watched.request = request
    watched.response = response
    // The window begins with the next look: there are many requests and few looks.
    watched.looks = []
  })

  let lastLook = now()
  const timer = setInterval(() => {
    // A process that was itself held up has answers to write and bodies to read: it blames no client for that.
    const wasHeldUp = now() - lastLook > windowMs / 3
    lastLook = now()
    for (const [socket, watched] of connections) {
      const isSending = watched.request?.complete === false
      const isReading = socket.writableLength > 0
      if (wasHeldUp || !(isSending || isReading)) {
        watched.looks = []
        continue
      }
      const current = { read: socket.bytesRead, written: sentBytes(socket), at: now() }
      watched.looks.push(current)
      const [first] = watched.looks as [Look]
      const elapsed = current.at - first.at
      if (elapsed < windowMs) continue
      watched.looks.shift()
      const moved = isSending ? current.read - first.read : current.written - first.written
      if (moved < (minimumRate * elapsed) / 1000) cut(socket, watched)
    }
  }, windowMs / 12)
  timer.unref()

  /** A client whose request is incomplete is told so, where nothing was answered yet. */
  function cut(socket: Socket, { request, response }: Watched) {
    connections.delete(socket)
    if (request?.complete === false && response?.headersSent === false) {
      const error = Object.assign(new Error('slow body'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
      server.emit('clientError', error, socket)
    }
    socket.destroySoon()
    // Whoever does not read will not read this either; and with a mere close the kernel would keep for minutes what it has taken.
    setTimeout(() => socket.resetAndDestroy(), 1000).unref()
  }

  return { stop: () => clearInterval(timer) }
}

/**
 * Bytes that have left for the client. `bytesWritten` counts what still waits in the queue as well: with it an answer in one
 * piece would seem to stand still, however fast it is read.
 */
function sentBytes(socket: Socket): number {
  const { _bytesDispatched: dispatched = socket.bytesWritten, _handle: handle } =
    socket as unknown as { _bytesDispatched?: number; _handle?: { writeQueueSize?: number } | null }
  return dispatched - (handle?.writeQueueSize ?? 0)
}
