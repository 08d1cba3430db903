import type { ArtifactIn, ArtifactNode, ArtifactSummary } from '../artifact/schema.ts'
import type { ConfigOut } from '../config/schema.ts'
import { type Collection, createCollection, segment } from './collection.ts'
import { createDownloads, type DownloadsClient } from './downloads.ts'
import type { CallOptions, CreateOptions, Transport } from './transport.ts'

/** What is in an artifact, of those that the service makes and of uploads. */
export interface ArtifactData {
  type: string
  metadata: Record<string, unknown>
  /** Left out in lists and trees. */
  content?: unknown
  content_type?: string | null
  content_size?: number | null
}

/** An artifact as it is answered. */
export type ArtifactRecord<Data = ArtifactData> = Omit<ArtifactSummary, 'data'> & { data: Data }

/** A node of a tree of artifacts, without content. */
export type ArtifactTree<Data = ArtifactData> = Omit<ArtifactNode, 'data' | 'children'> & {
  data: Data
  children: ArtifactTree<Data>[] | null
}

export interface UploadOptions extends CreateOptions {
  /** @default 'application/octet-stream' */
  contentType?: string | undefined
  parent_id?: string | undefined
  tags?: readonly string[] | undefined
}

/** Bytes to upload. A stream can be read once only, so an upload of one is never tried again. */
export type UploadBody = Uint8Array<ArrayBuffer> | Blob | string | ReadableStream<Uint8Array>

export interface ArtifactsClient
  extends Collection<ArtifactRecord, Partial<ArtifactIn> & { data: unknown }>,
    DownloadsClient {
  /** An artifact with the label of its level, without content and children. */
  expand(id: string, options?: CallOptions): Promise<ArtifactTree>
  /** An artifact and all below it, without content. */
  tree(id: string, options?: CallOptions): Promise<ArtifactTree>
  metadata(id: string, options?: CallOptions): Promise<Record<string, unknown>>
  /** The config that the tree of an artifact was made from. */
  config(id: string, options?: CallOptions): Promise<ConfigOut>
  /** What an artifact was made from: config, hashes of data and code, signature, metrics. Empty where nothing is known. */
  lineage(id: string, options?: CallOptions): Promise<Record<string, unknown>>
  /** Keeps bytes as an artifact. They are checked against their SHA-256, where that can be computed here. */
  upload(body: UploadBody, options?: UploadOptions): Promise<ArtifactRecord>
}

export function createArtifacts(transport: Transport, prefix: string): ArtifactsClient {
  const read =
    <Out>(operation: string) =>
    (id: string, options?: CallOptions) =>
      transport.json<Out>({ ...options, path: `${prefix}/${segment(id)}/${operation}` })

  return {
    ...createCollection<ArtifactRecord, Partial<ArtifactIn> & { data: unknown }>(transport, prefix),
    ...createDownloads(transport, prefix),
    expand: read<ArtifactTree>('$expand'),
    tree: read<ArtifactTree>('$tree'),
    metadata: read<Record<string, unknown>>('$metadata'),
    config: read<ConfigOut>('$config'),
    lineage: read<Record<string, unknown>>('$lineage'),

    async upload(
      body,
      { contentType = 'application/octet-stream', parent_id, tags, ...options } = {},
    ) {
      const digest = await digestOf(body)
      return transport.json<ArtifactRecord>({
        ...options,
        method: 'POST',
        path: `${prefix}/$upload`,
        query: { parent_id, tags: tags?.length ? tags.join(',') : undefined },
        headers: { ...options.headers, ...(digest && { 'content-digest': digest }) },
        body,
        contentType,
        creates: true,
      })
    },
  }
}

/** `Content-Digest` of bytes that are at hand. Pages that were not loaded over TLS cannot compute one. */
async function digestOf(body: UploadBody): Promise<string | undefined> {
  const subtle = globalThis.crypto?.subtle
  if (!subtle || body instanceof ReadableStream || body instanceof Blob) return undefined
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  const hash = new Uint8Array(await subtle.digest('SHA-256', bytes))
  return `sha-256=:${btoa(String.fromCharCode(...hash))}:`
}
