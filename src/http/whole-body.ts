import { createHash, type Hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { turn } from './slices.ts'

/** What is needed of a request whose body is large. */
export interface LargeRequest {
  headers: IncomingHttpHeaders
  routeOptions: { bodyLimit?: number | undefined }
  bodyHash?: () => string | Promise<string>
}

/** Bytes that are copied, and hashed, before others have a turn: a millisecond or two. */
const sliceBytes = 1024 * 1024

/**
 * The body of a request in one piece, which has a buffer to itself. As the framework's own reading, but for a large one the pieces
 * are put together, and hashed where there is an `Idempotency-Key`, a slice at a time.
 */
export async function wholeBody(request: LargeRequest, payload: Readable): Promise<Buffer> {
  const { chunks, length } = await collect(request, payload)
  const hash = request.headers['idempotency-key'] === undefined ? undefined : createHash('sha256')
  const whole = await join(chunks, length, hash)
  const digest = hash?.digest('hex')
  if (digest !== undefined) request.bodyHash = () => digest
  return whole
}

function collect(
  { headers, routeOptions: { bodyLimit = Number.POSITIVE_INFINITY } }: LargeRequest,
  payload: Readable,
): Promise<{ chunks: Buffer[]; length: number }> {
  const announced = Number(headers['content-length'])
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve, reject) => {
    const refuse = (code: string, statusCode: number) => {
      end()
      reject(Object.assign(new Error(code), { code, statusCode }))
    }
    const take = (chunk: Buffer) => {
      length += chunk.length
      if (length > bodyLimit) refuse('FST_ERR_CTP_BODY_TOO_LARGE', 413)
      else chunks.push(chunk)
    }
    const finish = () => {
      const isWrong = !Number.isNaN(announced) && length !== announced
      if (isWrong) return refuse('FST_ERR_CTP_INVALID_CONTENT_LENGTH', 400)
      end()
      resolve({ chunks, length })
    }
    const fail = (error: Error & { statusCode?: number }) => {
      end()
      // Whatever breaks a body off is the client's.
      if (!((error.statusCode ?? 0) >= 400)) error.statusCode = 400
      reject(error)
    }
    function end() {
      payload.off('data', take).off('end', finish).off('error', fail)
    }
    if (announced > bodyLimit) return refuse('FST_ERR_CTP_BODY_TOO_LARGE', 413)
    payload.on('data', take).on('end', finish).on('error', fail)
  })
}

async function join(chunks: readonly Buffer[], length: number, hash?: Hash): Promise<Buffer> {
  // Not of the pool of small buffers: the bytes may be handed over to a thread.
  const whole = Buffer.allocUnsafeSlow(length)
  let at = 0
  let turnAt = sliceBytes
  for (const chunk of chunks) {
    chunk.copy(whole, at)
    hash?.update(chunk)
    at += chunk.length
    if (at < turnAt) continue
    turnAt = at + sliceBytes
    await turn()
  }
  return whole
}
