import { z } from 'zod'
import { ulidPattern } from '../kernel/id.ts'
import { Tags } from '../kernel/tags.ts'

/** The types of artifact data that only the service itself makes. */
export const mlTypes = [
  'ml_training_workspace',
  'ml_prediction',
  'ml_prediction_workspace',
] as const
export type MlType = (typeof mlTypes)[number]

export const frameMediaType = 'application/vnd.chapkit.dataframe+json'
export const workspaceMediaType = 'application/zip'

/** An artifact as a client sends it. `level` follows from the parent and is ignored. */
export const ArtifactIn = z.object({
  id: z
    .string()
    .regex(ulidPattern)
    .nullable()
    .optional()
    .meta({ description: 'ULID chosen by the client' }),
  tags: Tags.optional(),
  data: z.unknown().meta({ description: 'Any JSON but null' }),
  parent_id: z
    .string()
    .regex(ulidPattern)
    .nullable()
    .optional()
    .meta({ description: 'ULID of the parent; null for a root' }),
})
export type ArtifactIn = z.infer<typeof ArtifactIn>

/** What an artifact answers without its content. */
export interface ArtifactSummary {
  id: string
  created_at: string
  updated_at: string
  tags: string[]
  data: unknown
  parent_id: string | null
  level: number
}

/** A node of an artifact tree. */
export interface ArtifactNode extends ArtifactSummary {
  level_label: string
  hierarchy: string
  children: ArtifactNode[] | null
}

/** Names of the levels of artifact trees. */
export interface Hierarchy {
  name: string
  /** Label by level; a level without one reads `level_<n>`. */
  labels: Readonly<Record<number, string>>
  /** Number of levels that trees may have. Default: as many as {@link maximumLevels}. */
  depth?: number
}

/** Trees deeper than any lineage: a bound, so that no walk along a tree can become a burden. */
export const maximumLevels = 100

export const mlHierarchy: Hierarchy = {
  name: 'ml',
  labels: { 0: 'ml_training_workspace', 1: 'ml_prediction', 2: 'ml_prediction_workspace' },
}

/** A file of a workspace. A derived file is written from the blob only when somebody reads it. */
export interface FileEntry {
  path: string
  /** Unix permission bits. */
  mode: number
  /** Size and CRC-32 of the file as it is read. */
  size: number
  crc32: number
  /** The blob that it is, or is written from. */
  sha256: string
  /** The blob is a frame. `csv`, with CRLF, is of workspaces that were stored before 0.3. */
  derive?: 'csv-lf' | 'csv'
}

/** A folder of a workspace: an empty one, or one with other rights than usual. Others follow from their files. */
export interface FolderEntry {
  path: string
  mode: number
  folder: true
}

/** A symbolic link of a workspace, to something in it. */
export interface LinkEntry {
  path: string
  /** What it leads to, from the folder that it is in. */
  link: string
}

/**
 * Something in a workspace. Paths are relative, with `/` between names; bytes of a path that are not UTF-8 are written as
 * `kernel/path.ts` does.
 */
export type ManifestEntry = FileEntry | FolderEntry | LinkEntry

export const isFileEntry = (entry: ManifestEntry): entry is FileEntry => 'sha256' in entry
export const isFolderEntry = (entry: ManifestEntry): entry is FolderEntry => 'folder' in entry
export const isLinkEntry = (entry: ManifestEntry): entry is LinkEntry => 'link' in entry

/** A workspace: files stored once by content, put together when somebody downloads them. */
export interface Manifest {
  version: 1
  /** Hash of the manifest whose entries this one has too, but for those in `without`. */
  base?: string
  without?: string[]
  entries: ManifestEntry[]
}
