import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Bytes per second below which a client holds a connection for nothing. */
const minimumRate = 1024
/** Over how many seconds the rate is taken. */
const windowSeconds = 15

interface Watched {
  read: number
  written: number
  /** When this window of the socket began, in milliseconds. */
  since: number
}

/**
 * Cuts clients that send a body, or read an answer, more slowly than 1 KiB/s over 15 s. A connection that waits for us, or has
 * nothing to say, is left alone, and so is a long transfer that keeps up: there is no limit on the whole.
 */
export function watchPace(server: Server): { stop(): void } {
  const now = () => performance.now()
  const sockets = new Map<Socket, Watched>()
  const receiving = new Map<Socket, () => boolean>()

  server.on('connection', (socket: Socket) => {
    sockets.set(socket, { read: 0, written: 0, since: now() })
    socket.once('close', () => {
      sockets.delete(socket)
      receiving.delete(socket)
    })
  })
  server.on('request', (request) => {
    const { socket } = request
    receiving.set(socket, () => !request.complete)
    const watched = sockets.get(socket)
    if (watched)
      Object.assign(watched, { read: socket.bytesRead, written: socket.bytesWritten, since: now() })
  })

  const timer = setInterval(() => {
    for (const [socket, watched] of sockets) {
      const sending = receiving.get(socket)?.() ?? false
      const reading = socket.writableLength > 0
      if (!sending && !reading) {
        watched.since = now()
        watched.read = socket.bytesRead
        watched.written = socket.bytesWritten
        continue
      }
      const seconds = (now() - watched.since) / 1000
      if (seconds < windowSeconds) continue
      const bytes = sending
        ? socket.bytesRead - watched.read
        : socket.bytesWritten - watched.written
      if (bytes < minimumRate * seconds) socket.destroy()
      watched.since = now()
      watched.read = socket.bytesRead
      watched.written = socket.bytesWritten
    }
  }, 2500)
  timer.unref()

  return { stop: () => clearInterval(timer) }
}
