import { Readable } from 'node:stream'
import { ChapkitError } from '../errors.ts'

/** Bytes to download: how many, who they are, and how to read a part of them. */
export interface Download {
  size: number
  /** Identity of the bytes, quoted; with `W/` in front where it says only that they are as good as the same. */
  etag: string
  type: string
  /** Name for a file that is to be saved; null for what a browser shows or runs. */
  filename: string | null
  /** The bytes from `start` up to, not including, `end`. */
  open: (start: number, end: number) => Promise<Readable | Uint8Array> | Readable | Uint8Array
}

export interface DownloadAnswer {
  status: 200 | 206 | 304
  headers: Record<string, string>
  body: Readable | Uint8Array | undefined
}

interface DownloadHeaders {
  range?: string | undefined
  'if-range'?: string | undefined
  'if-none-match'?: string | undefined
}

/**
 * Answers a download with ranges and revalidation (RFC 9110 §§13–14): one range gives 206, several give the whole, none that
 * fits gives 416.
 */
export async function answerDownload(
  download: Download,
  request: DownloadHeaders,
  method: string,
): Promise<DownloadAnswer> {
  const { size, etag } = download
  const shared = { etag, 'accept-ranges': 'bytes' }
  const condition = request['if-none-match']
  if (condition?.trim() === '*' || namesTag(condition, etag)) return notModified(etag)

  const ranged =
    request['if-range'] === undefined || (request['if-range'] === etag && !etag.startsWith('W/'))
  const range = ranged ? parseRange(request.range, size) : null
  const { start, end } = range ?? { start: 0, end: size }
  const headers: Record<string, string> = {
    ...shared,
    'content-type': download.type,
    ...(download.filename !== null && {
      'content-disposition': `attachment; filename=${download.filename}`,
    }),
    'content-length': String(end - start),
  }
  if (range) headers['content-range'] = `bytes ${start}-${end - 1}/${size}`
  // An empty stream, not nothing: the framework would put a length of 0 over the right one.
  const body = method === 'HEAD' ? Readable.from([]) : await download.open(start, end)
  return { status: range ? 206 : 200, headers, body }
}

/** The answer to who has these bytes already. */
export function notModified(etag: string): DownloadAnswer {
  return { status: 304, headers: { etag, 'accept-ranges': 'bytes' }, body: undefined }
}

/** Whether an `If-None-Match` says an ETag by its name. */
export function namesTag(header: string | undefined, etag: string): boolean {
  return header?.split(',').some((each) => unweakened(each.trim()) === unweakened(etag)) ?? false
}

const unweakened = (etag: string): string => etag.replace(/^W\//, '')

/** One satisfiable range as [start, end), or null for the whole. Throws 416 when nothing of it is there. */
function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | null {
  const range = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (!range || (range[1] === '' && range[2] === '')) return null
  const [first, last] = [range[1] ?? '', range[2] ?? '']
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < start) return null
  if (start >= size || end <= start) {
    throw new ChapkitError(
      'range-not-satisfiable',
      `Expected a range within ${size} bytes, got ${header}`,
      {
        headers: { 'content-range': `bytes */${size}` },
      },
    )
  }
  return { start, end }
}
