import type { DownloadOptions } from './downloads.ts'
import { ChapkitClientError, toNetworkError } from './errors.ts'
import type { Call, Transport } from './transport.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Connections that break one after the other without a byte in between, before a download is given up. */
const fruitlessTries = 4

export interface Begun extends Pick<DownloadOptions, 'onBytes' | 'range'> {
  response: Response
  /** Bytes to be expected. */
  size: number | null
  etag: string | null
}

/**
 * The bytes of an answer. Where the connection breaks, the rest is asked for, as long as it is still the rest of the same bytes;
 * that takes their size and their tag.
 */
export function resumed(
  transport: Transport,
  call: Call,
  { response, size, etag, onBytes, range }: Begun,
): ReadableStream<Bytes> {
  let reader = readerOf(response)
  let received = 0
  let fruitless = 0

  async function next(): Promise<Bytes | undefined> {
    for (;;) {
      try {
        const { value, done } = await reader.read()
        if (!done) return value
        if (size === null || received >= size) return undefined
        throw new Error('The answer ends early')
      } catch (thrown) {
        call.signal?.throwIfAborted()
        fruitless += 1
        if (size === null || etag === null || fruitless > fruitlessTries)
          throw toNetworkError(thrown, transport.base + call.path)
        reader = readerOf(await openRest(size, etag))
      }
    }
  }

  async function openRest(size: number, etag: string): Promise<Response> {
    const start = range?.start ?? 0
    const headers = {
      ...call.headers,
      range: `bytes=${start + received}-${start + size - 1}`,
      'if-range': etag,
    }
    const rest = await transport.open({ ...call, headers })
    if (rest.status === 206) return rest
    await rest.body?.cancel()
    throw new ChapkitClientError(
      'unexpected-answer',
      `What is at ${transport.base + call.path} has changed while it was downloaded; download it again`,
      { status: rest.status },
    )
  }

  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const chunk = await next()
        if (!chunk) return controller.close()
        received += chunk.byteLength
        fruitless = 0
        onBytes?.(received, size)
        controller.enqueue(chunk)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

const readerOf = ({ body }: Response) => (body as ReadableStream<Bytes>).getReader()
