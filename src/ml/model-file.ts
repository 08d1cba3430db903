import { type FileEntry, isFileEntry, type ManifestEntry } from '../artifact/schema.ts'
import type { StagedBlob } from '../blob/blobs.ts'
import { toYaml } from '../kernel/yaml.ts'
import type { FrameFacts } from './run.ts'

/** Name of the file in a workspace that holds what the model returned from training. */
export const modelFile = 'model.chapkit'

/** Name of the file in a workspace that has the config. */
export const configFile = 'config.yml'

const fileMode = 0o644

/** A file of a workspace that is a blob as it is. */
export function fileEntry(path: string, staged: Omit<StagedBlob, 'inline'>): FileEntry {
  return { path, mode: fileMode, size: staged.size, crc32: staged.crc32, sha256: staged.hash }
}

/** A file of a workspace that is a frame, written as CSV with LF when somebody reads it. */
export function csvEntry(path: string, frameHash: string, { csv }: FrameFacts): FileEntry {
  return { path, mode: fileMode, ...csv, sha256: frameHash, derive: 'csv-lf' }
}

/** The config as YAML with sorted keys. */
export function configYaml(config: unknown): Uint8Array {
  return Buffer.from(toYaml(config, { sortKeys: true }))
}

export function findModel(entries: readonly ManifestEntry[]): FileEntry | undefined {
  return entries.filter(isFileEntry).find((entry) => entry.path === modelFile)
}
