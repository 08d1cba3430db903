import { Readable } from 'node:stream'
import type { Blobs } from '../blob/blobs.ts'
import { ChapkitError } from '../errors.ts'
import type { Download } from '../http/bytes.ts'
import type { FrameFormat } from './frame-forms.ts'
import type { Layouts } from './layouts.ts'
import type { Renderings } from './renderings.ts'
import { type FileEntry, frameMediaType } from './schema.ts'
import type { ArtifactRow } from './store.ts'
import { zipStream } from './zip.ts'

const frameMediaTypes: Readonly<Record<FrameFormat, string>> = {
  records: frameMediaType,
  json: 'application/json',
  csv: 'text/csv',
  parquet: 'application/vnd.apache.parquet',
}

const extensions: Record<string, string> = {
  'application/zip': 'zip',
  'text/csv': 'csv',
  'application/json': 'json',
  [frameMediaType]: 'json',
  'image/png': 'png',
  'application/vnd.apache.parquet': 'parquet',
}

/** Where the bytes of artifacts are, their frames in other forms, and their archives. */
export interface DownloadDeps {
  blobs: Blobs
  renderings: Renderings
  layouts: Layouts
}

/** What a client gets when it downloads an artifact. Throws 404 without content and 400 for content that is no file. */
export async function toDownload(
  row: ArtifactRow,
  deps: DownloadDeps,
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
  if (row.content_kind === 'workspace') return workspaceDownload(row, hash, deps)
  if (row.content_kind === 'bytes') {
    const size = row.content_size ?? 0
    return toFile(row, row.content_type, size, `"${hash}"`, (start, end) =>
      deps.blobs.stream(hash, { start, end }),
    )
  }
  return jsonDownload(row, hash, deps, format)
}

/** ETag of a frame in a form: known before anything of it is read. Null where the artifact says that it is no frame. */
export function frameTag(row: ArtifactRow, format: FrameFormat): string | null {
  const form = formOf(row, format)
  return form && row.content_kind === 'json' ? `"${row.content_hash}-${form}"` : null
}

/** The form that a frame is downloaded in. CSV stays CSV. */
function formOf({ content_type }: ArtifactRow, format: FrameFormat): FrameFormat | null {
  if (content_type === 'text/csv') return 'csv'
  return content_type === frameMediaType ? format : null
}

async function jsonDownload(
  row: ArtifactRow,
  hash: string,
  { blobs, renderings }: DownloadDeps,
  format: FrameFormat,
) {
  const form = formOf(row, format)
  const rendering = form && (await renderings.get(hash, form))
  if (rendering) {
    const { size, open } = rendering
    return toFile(row, frameMediaTypes[form], size, `"${hash}-${form}"`, open)
  }
  const { size } = await blobs.facts(hash)
  const [first] = await (await blobs.stream(hash, { start: 0, end: 1 })).toArray()
  const kind = kindOf(first)
  if (kind !== 'object') {
    throw new ChapkitError(
      'bad-request',
      `Cannot serialize content of type ${kind}; read it with GET instead`,
    )
  }
  const type = row.content_type?.startsWith('text/') ? 'application/json' : row.content_type
  return toFile(row, type, size, `"${hash}"`, (start, end) => blobs.stream(hash, { start, end }))
}

/** Kinds of JSON content, in the words of the contract. */
function kindOf(bytes: Uint8Array | undefined): string {
  const first = String.fromCharCode(bytes?.[0] ?? 0)
  if (first === '{') return 'object'
  if (first === '[') return 'list'
  if (first === '"') return 'str'
  if (first === 't' || first === 'f') return 'bool'
  return 'number'
}

async function workspaceDownload(
  row: ArtifactRow,
  hash: string,
  deps: DownloadDeps,
): Promise<Download> {
  const layout = await deps.layouts.get(hash)
  const open = (entry: FileEntry, start: number, end: number) => openEntry(entry, deps, start, end)
  return toFile(row, 'application/zip', layout.size, `"${hash}"`, (start, end) =>
    zipStream(layout, open, { start, end }),
  )
}

/** A file of a workspace, written from its blob where it is derived. */
async function openEntry(
  entry: FileEntry,
  { blobs, renderings }: DownloadDeps,
  start: number,
  end: number,
): Promise<Readable> {
  if (entry.derive === undefined) return blobs.stream(entry.sha256, { start, end })
  const rendering = await renderings.get(entry.sha256, entry.derive)
  if (!rendering) throw new Error(`blob ${entry.sha256} of ${entry.path} is no frame`)
  const bytes = rendering.open(start, end)
  return bytes instanceof Readable ? bytes : Readable.from([bytes], { objectMode: false })
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
