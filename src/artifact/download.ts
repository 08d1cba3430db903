import { Readable } from 'node:stream'
import type { Blobs } from '../blob/blobs.ts'
import { writeCsv } from '../data/csv.ts'
import type { FrameJson } from '../data/frame.ts'
import { checkFrame, recordsText } from '../data/frame-json.ts'
import { frameToParquet } from '../data/parquet.ts'
import { ChapkitError } from '../errors.ts'
import type { Download } from '../http/bytes.ts'
import { readManifest } from './manifest.ts'
import { type FileEntry, frameMediaType } from './schema.ts'
import type { ArtifactRow } from './store.ts'
import { layoutZip, zipStream } from './zip.ts'

export const frameFormats = ['records', 'json', 'csv', 'parquet'] as const
export type FrameFormat = (typeof frameFormats)[number]

const extensions: Record<string, string> = {
  'application/zip': 'zip',
  'text/csv': 'csv',
  'application/json': 'json',
  [frameMediaType]: 'json',
  'image/png': 'png',
  'application/vnd.apache.parquet': 'parquet',
}

/** What a client gets when it downloads an artifact. Throws 404 without content and 400 for content that is no file. */
export async function toDownload(
  row: ArtifactRow,
  blobs: Blobs,
  format: FrameFormat,
): Promise<Download> {
  if (!row.data.startsWith('{')) {
    throw new ChapkitError(
      'bad-request',
      'Artifact has no downloadable content: its data is not an object',
    )
  }
  const hash = row.content_hash
  if (hash === null || row.content_kind === null) {
    throw new ChapkitError('not-found', 'Artifact has no content')
  }
  if (row.content_kind === 'workspace') return workspaceDownload(row, hash, blobs)
  if (row.content_kind === 'bytes') {
    const size = row.content_size ?? 0
    return toFile(row, row.content_type, size, `"${hash}"`, (start, end) =>
      blobs.stream(hash, { start, end }),
    )
  }
  return jsonDownload(row, hash, blobs, format)
}

async function jsonDownload(row: ArtifactRow, hash: string, blobs: Blobs, format: FrameFormat) {
  const bytes = Buffer.from(await blobs.read(hash))
  const frame =
    row.content_type === frameMediaType || row.content_type === 'text/csv' ? toFrame(bytes) : null
  if (frame) {
    const wanted = row.content_type === 'text/csv' ? 'csv' : format
    const [type, body] = await encodeFrame(frame, wanted)
    return toFile(row, type, body.byteLength, `"${hash}-${wanted}"`, (start, end) =>
      body.subarray(start, end),
    )
  }
  const kind = kindOf(bytes)
  if (kind !== 'object') {
    throw new ChapkitError(
      'bad-request',
      `Cannot serialize content of type ${kind}; read it with GET instead`,
    )
  }
  const type = row.content_type?.startsWith('text/') ? 'application/json' : row.content_type
  return toFile(row, type, bytes.byteLength, `"${hash}"`, (start, end) =>
    bytes.subarray(start, end),
  )
}

function toFrame(bytes: Buffer): FrameJson | null {
  const checked = checkFrame(JSON.parse(bytes.toString()), [])
  return 'frame' in checked ? checked.frame : null
}

/** Kinds of JSON content, in the words of the contract. */
function kindOf(bytes: Buffer): string {
  const first = String.fromCharCode(bytes[0] ?? 0)
  if (first === '{') return 'object'
  if (first === '[') return 'list'
  if (first === '"') return 'str'
  if (first === 't' || first === 'f') return 'bool'
  return 'number'
}

async function encodeFrame(frame: FrameJson, format: FrameFormat): Promise<[string, Buffer]> {
  switch (format) {
    case 'records':
      return [frameMediaType, Buffer.from(recordsText(frame))]
    case 'json':
      return ['application/json', Buffer.from(JSON.stringify(frame))]
    case 'csv':
      return ['text/csv', Buffer.from(writeCsv(frame))]
    case 'parquet':
      return ['application/vnd.apache.parquet', Buffer.from(await frameToParquet(frame))]
  }
}

async function workspaceDownload(row: ArtifactRow, hash: string, blobs: Blobs): Promise<Download> {
  const layout = layoutZip<FileEntry>(await readManifest(blobs, hash))
  const open = (entry: FileEntry, start: number, end: number) => openEntry(entry, blobs, start, end)
  return toFile(row, 'application/zip', layout.size, `"${hash}"`, (start, end) =>
    zipStream(layout, open, { start, end }),
  )
}

/** A file of a workspace, written from its blob where it is derived. */
export async function openEntry(
  entry: FileEntry,
  blobs: Blobs,
  start = 0,
  end = entry.size,
): Promise<Readable> {
  if (entry.derive === undefined) return blobs.stream(entry.sha256, { start, end })
  const frame = JSON.parse(Buffer.from(await blobs.read(entry.sha256)).toString()) as FrameJson
  return Readable.from([Buffer.from(writeCsv(frame)).subarray(start, end)], { objectMode: false })
}

function toFile(
  row: ArtifactRow,
  declared: string | null,
  size: number,
  etag: string,
  open: Download['open'],
): Download {
  const type = safeMediaType(declared)
  return {
    size,
    etag,
    type: type.startsWith('text/') && !type.includes('charset') ? `${type}; charset=utf-8` : type,
    filename: `artifact_${row.id}.${extensions[type.split(';')[0] ?? ''] ?? 'bin'}`,
    open,
  }
}

/** A declared type only where it is one: clients choose it, and it becomes a header. */
function safeMediaType(declared: string | null): string {
  return declared !== null && /^[\w.+-]+\/[\w.+-]+(; ?[\w.-]+=[\w.-]+)*$/.test(declared)
    ? declared
    : 'application/octet-stream'
}
