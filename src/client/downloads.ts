import type { FrameJson } from '../data/schema.ts'
import { segment } from './collection.ts'
import { ChapkitClientError } from './errors.ts'
import type { FrameRecord } from './frames.ts'
import { resumed } from './resume.ts'
import type { CallOptions, Transport } from './transport.ts'

/** How a frame is written. */
export type FrameFormat = 'records' | 'json' | 'csv' | 'parquet'

export interface DownloadOptions extends CallOptions {
  /** How a frame is written; other content is what it is. @default 'records' */
  format?: FrameFormat | undefined
  /** Bytes from `start` up to but without `end`. @default all of them */
  range?: { start: number; end?: number | undefined } | undefined
  /** Called as bytes arrive, with all so far and those to be expected; null when that is not known. */
  onBytes?: ((received: number, size: number | null) => void) | undefined
}

/** A download that has begun. */
export interface Download {
  /** The bytes; whoever does not read them to the end cancels it. */
  stream: ReadableStream<Uint8Array<ArrayBuffer>>
  type: string
  filename: string | null
  /** Bytes to come; null when that is not known. */
  size: number | null
  etag: string | null
}

/** The content of artifacts. A download that breaks off goes on where it was. */
export interface DownloadsClient {
  /** All of the content. */
  download(id: string, options?: DownloadOptions): Promise<Uint8Array<ArrayBuffer>>
  /** The content as it comes, for what is large. */
  open(id: string, options?: DownloadOptions): Promise<Download>
  /** A frame as it travels. */
  frame(id: string, options?: CallOptions): Promise<FrameJson>
  /** The rows of a frame as objects. */
  records(id: string, options?: CallOptions): Promise<FrameRecord[]>
  csv(id: string, options?: CallOptions): Promise<string>
  parquet(id: string, options?: CallOptions): Promise<Uint8Array<ArrayBuffer>>
}

export function createDownloads(transport: Transport, prefix: string): DownloadsClient {
  const toCall = (id: string, { format, range, ...options }: DownloadOptions = {}) => ({
    ...options,
    path: `${prefix}/${segment(id)}/$download`,
    query: { format },
    headers: { ...options.headers, ...(range && { range: toRange(range.start, range.end) }) },
  })

  async function open(id: string, options: DownloadOptions = {}): Promise<Download> {
    const call = toCall(id, options)
    const response = await transport.open(call)
    const { headers } = response
    const type = headers.get('content-type') ?? 'application/octet-stream'
    if (!isForm(type, options.format)) {
      await response.body?.cancel()
      throw new ChapkitClientError(
        'unexpected-answer',
        `Expected the artifact ${id} as ${options.format}, got ${type}: the service ignores formats; leave the format out to get what it has`,
        { status: response.status },
      )
    }
    const length = headers.get('content-length')
    // What was packed on the way arrives unpacked, and longer than was said.
    const size = length === null || headers.has('content-encoding') ? null : Number(length)
    const etag = headers.get('etag')
    return {
      stream: resumed(transport, call, { response, size, etag, ...options }),
      type,
      filename: /filename="?([^";]+)/.exec(headers.get('content-disposition') ?? '')?.[1] ?? null,
      size,
      etag,
    }
  }

  const download = async (id: string, options?: DownloadOptions) =>
    new Uint8Array(await new Response((await open(id, options)).stream).arrayBuffer())
  const text = async (id: string, options: DownloadOptions) =>
    new TextDecoder().decode(await download(id, options))

  return {
    download,
    open,
    async frame(id, options) {
      const frame: FrameJson | FrameRecord[] = JSON.parse(
        await text(id, { ...options, format: 'json' }),
      )
      return Array.isArray(frame) ? toFrame(frame) : frame
    },
    records: async (id, options) => JSON.parse(await text(id, { ...options, format: 'records' })),
    csv: (id, options) => text(id, { ...options, format: 'csv' }),
    parquet: (id, options) => download(id, { ...options, format: 'parquet' }),
  }
}

/** The Python chapkit has one form for a frame, records in JSON, and sends it whatever is asked for. */
const isForm = (type: string, format: FrameFormat | undefined): boolean =>
  (format !== 'csv' && format !== 'parquet') || !/[/+]json\b/.test(type)

function toFrame(records: readonly FrameRecord[]): FrameJson {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))]
  return {
    columns,
    data: records.map((record) => columns.map((name) => record[name] ?? null)),
  } as FrameJson
}

/** Bytes from `start` up to but without `end`, in the words of HTTP. */
const toRange = (start: number, end?: number): string =>
  `bytes=${start}-${end === undefined ? '' : end - 1}`
