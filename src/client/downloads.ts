import type { FrameJson } from '../data/schema.ts'
import { segment } from './collection.ts'
import type { FrameRecord } from './frames.ts'
import type { CallOptions, Transport } from './transport.ts'

/** How a frame is written. */
export type FrameFormat = 'records' | 'json' | 'csv' | 'parquet'

export interface DownloadOptions extends CallOptions {
  /** How a frame is written; other content is what it is. @default 'records' */
  format?: FrameFormat | undefined
  /** Bytes from `start` up to but without `end`. @default all of them */
  range?: { start: number; end?: number | undefined } | undefined
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

/** The content of artifacts. */
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
    headers: {
      ...options.headers,
      ...(range && {
        range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`,
      }),
    },
  })
  const download = (id: string, options?: DownloadOptions) =>
    transport.exchange(
      toCall(id, options),
      async (response) => new Uint8Array(await response.arrayBuffer()),
    )

  return {
    download,

    async open(id, options) {
      const { body, headers } = await transport.open(toCall(id, options))
      const size = headers.get('content-length')
      return {
        stream: body as Download['stream'],
        type: headers.get('content-type') ?? 'application/octet-stream',
        filename: /filename="?([^";]+)/.exec(headers.get('content-disposition') ?? '')?.[1] ?? null,
        size: size === null ? null : Number(size),
        etag: headers.get('etag'),
      }
    },

    frame: (id, options) => transport.json<FrameJson>(toCall(id, { ...options, format: 'json' })),
    records: (id, options) =>
      transport.json<FrameRecord[]>(toCall(id, { ...options, format: 'records' })),
    csv: (id, options) =>
      transport.exchange(toCall(id, { ...options, format: 'csv' }), (response) => response.text()),
    parquet: (id, options) => download(id, { ...options, format: 'parquet' }),
  }
}
