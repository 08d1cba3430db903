import type { Socket } from 'node:net'
import { toError } from '../errors.ts'
import { createFrameReader, encodeFrame, type FrameLimit, ProtocolError } from './frames.ts'
import { type FromHost, readFromHost, typeOfKind } from './from-host.ts'
import { kindsToHost, limitsFromHost, packAnswer, packRequest, type ToHost } from './protocol.ts'

/** How long messages of a host are handled before there is a pause, at least as long: it shares this thread with everybody. */
const sliceMs = 4

export interface ConnectionOptions {
  /** What the answer that is waited for may be at most; undefined while none is. */
  answerLimit: () => FrameLimit | undefined
  onMessage: (message: FromHost) => void
  /** Once: something came that is not of the protocol. Nothing is read after it. */
  onViolation: (what: string) => void
  /** The host has closed its end. */
  onClosed: () => void
}

export type Connection = ReturnType<typeof connectToHost>

/** The channel to a host, seen from the service. */
export function connectToHost(socket: Socket | null | undefined, options: ConnectionOptions) {
  let isBroken = false
  let isHurried = false
  let spentMs = 0
  const read = createFrameReader(limitOf, (frame) => {
    if (!isBroken) options.onMessage(readFromHost(frame, limitOf(frame.kind)?.values))
  })

  socket?.on('data', (chunk: Buffer) => {
    if (isBroken) return
    const begun = performance.now()
    try {
      read(chunk)
    } catch (thrown) {
      isBroken = true
      socket.destroy()
      const { name, message } = toError(thrown)
      // Also an error of our own: it may fail what runs there, and must not end the service.
      options.onViolation(
        thrown instanceof ProtocolError ? message : `what cannot be read (${name}: ${message})`,
      )
    }
    spentMs += performance.now() - begun
    if (spentMs < sliceMs || isHurried || isBroken) return
    socket.pause()
    setTimeout(() => socket.resume(), spentMs)
    spentMs = 0
  })
  // What cannot be written is followed by the end of the process, which is listened to.
  socket?.on('error', () => {})
  socket?.on('close', options.onClosed)

  return {
    /** Calls `sent` when the system has taken the message, or never will. */
    send(message: ToHost, sent?: () => void): void {
      if (!socket?.writable) {
        sent?.()
        return
      }
      const pieces = toFrame(message)
      const last = pieces.pop()!
      socket.cork()
      for (const piece of pieces) socket.write(piece)
      socket.write(last, () => sent?.())
      socket.uncork()
    },

    /** Leaves the pauses out: the process has ended, and what it said last lies in the pipe. */
    hurry(): void {
      isHurried = true
      socket?.resume()
    },
  }

  function limitOf(kind: number): FrameLimit | undefined {
    const type = typeOfKind(kind)
    if (type === undefined) return undefined
    return type === 'answer' ? options.answerLimit() : limitsFromHost[type]
  }
}

function toFrame(message: ToHost): Uint8Array[] {
  const { type, ...content } = message
  if (message.type === 'run') {
    const { packed, attachments } = packRequest(message.request)
    return encodeFrame(kindsToHost.run, { id: message.id, request: packed }, attachments)
  }
  if (message.type === 'reply') {
    const { id, call, answer } = message
    const { packed, attachments } = packAnswer(answer)
    return encodeFrame(kindsToHost.reply, { id, call, answer: packed }, attachments)
  }
  return encodeFrame(kindsToHost[type], content)
}
