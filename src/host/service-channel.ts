import { Socket } from 'node:net'
import type { CallAnswer, CallService } from '../ml/run.ts'
import { createFrameReader, encodeFrame } from './frames.ts'
import type { HostMessage } from './from-host.ts'
import {
  bodyMethods,
  channelFd,
  kindsFromHost,
  largestBody,
  largestCall,
  mostCallBytes,
  mostCalls,
  readToHost,
  type ToHost,
} from './protocol.ts'

/* The channel to the service, seen from a host. */

export type ServiceChannel = ReturnType<typeof openServiceChannel>

export function openServiceChannel(onMessage: (message: ToHost) => void) {
  const socket = new Socket({ fd: channelFd, readable: true, writable: true })
  // The service is believed: what it sends is as large as it is.
  const anything = { json: Number.MAX_SAFE_INTEGER, attachment: Number.MAX_SAFE_INTEGER }
  socket.on(
    'data',
    createFrameReader(
      () => anything,
      (frame) => onMessage(readToHost(frame)),
    ),
  )
  // Where the service has closed it, the watch ends this process.
  socket.on('error', () => {})

  return {
    send(message: HostMessage, attachment?: Uint8Array, sent?: () => void): void {
      const { type, ...content } = message
      const pieces = encodeFrame(kindsFromHost[type], content, attachment ? [attachment] : [])
      const last = pieces.pop()!
      socket.cork()
      for (const piece of pieces) socket.write(piece)
      socket.write(last, () => sent?.())
      // At once: the model may compute on without a turn of the event loop.
      socket.uncork()
    },
  }
}

export type CallsOfRun = ReturnType<typeof createCallsOfRun>

/** What a run has asked the service and waits for. */
export function createCallsOfRun(id: number, { send }: Pick<ServiceChannel, 'send'>) {
  const waiting = new Map<number, { resolve: (answer: CallAnswer) => void; size: number }>()
  let unanswered = 0
  let last = 0

  const call: CallService = (method, args) =>
    new Promise((resolve) => {
      const hasBody = bodyMethods.has(method)
      const text = Buffer.from(JSON.stringify(hasBody ? args[0] : args))
      const size = text.length
      const largest = hasBody ? largestBody : largestCall
      if (size > largest) {
        return resolve(
          refusal(
            'payload-too-large',
            `Expected at most ${largest} bytes of JSON for ${method}, got ${size}`,
          ),
        )
      }
      if (waiting.size >= mostCalls || unanswered + size > mostCallBytes) {
        return resolve(
          refusal(
            'too-many-requests',
            `Expected at most ${mostCalls} calls and ${mostCallBytes} bytes of them without an answer at the same time; await some of them before ${method}`,
          ),
        )
      }
      waiting.set(++last, { resolve, size })
      unanswered += size
      send(
        { type: 'call', id, call: last, method, args: hasBody ? [] : [...args] },
        hasBody ? text : undefined,
      )
    })

  return {
    call,
    reply(number: number, answer: CallAnswer): void {
      const asked = waiting.get(number)
      if (!asked) return
      waiting.delete(number)
      unanswered -= asked.size
      asked.resolve(answer)
    },
  }
}

const refusal = (code: string, message: string): CallAnswer => ({ error: { code, message } })
