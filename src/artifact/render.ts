import type { ArtifactNode, ArtifactSummary, Hierarchy } from './schema.ts'
import type { ArtifactRow } from './store.ts'

/** Data of an artifact taken apart: the row keeps `text`, the content goes into a blob. */
export interface SplitData {
  /** JSON text of the data without its `content`. */
  text: string
  /** Where in `text` the content was; null when there is none. */
  offset: number | null
  content: unknown
}

/** Takes `content` out of an object and remembers where it was. Data that is no object stays whole. */
export function splitContent(data: unknown): SplitData {
  if (data === null || typeof data !== 'object' || Array.isArray(data) || !('content' in data)) {
    return { text: JSON.stringify(data), offset: null, content: undefined }
  }
  const entries = Object.entries(data)
  const at = entries.findIndex(([key]) => key === 'content')
  const before = membersText(entries.slice(0, at))
  const after = membersText(entries.slice(at + 1))
  const text = `{${before}${before && after ? ',' : ''}${after}}`
  return { text, offset: 1 + before.length, content: data.content }
}

function membersText(entries: [string, unknown][]): string {
  return JSON.stringify(Object.fromEntries(entries)).slice(1, -1)
}

/** The two halves of an artifact's JSON around its content, and what stands between when it is not spliced in. */
export function artifactHalves(row: ArtifactRow): { head: string; tail: string } {
  const { id, created_at, updated_at, tags, parent_id, level } = row
  const head = `{"id":"${id}","created_at":"${created_at}","updated_at":"${updated_at}","tags":${tags},"data":`
  const tail = `,"parent_id":${parent_id === null ? 'null' : `"${parent_id}"`},"level":${level}}`
  if (row.content_offset === null) return { head: head + row.data, tail }
  const left = row.data.slice(0, row.content_offset)
  const right = row.data.slice(row.content_offset)
  const comma = right.startsWith(',') || right.startsWith('}') ? '' : ','
  return {
    head: `${head}${left}${left.length > 1 ? ',' : ''}"content":`,
    tail: `${comma}${right}${tail}`,
  }
}

/** What stands for content that is not JSON. */
export function bytesPlaceholder(size: number | null): string {
  return JSON.stringify({
    _type: 'bytes',
    _module: 'builtins',
    _repr: `<${size ?? 0} bytes>`,
    _serialization_error: 'Value is not JSON-serializable.',
  })
}

/** JSON text of an artifact without its content, as lists have it. */
export function summaryText(row: ArtifactRow): string {
  const { id, created_at, updated_at, tags, data, parent_id, level } = row
  const parent = parent_id === null ? 'null' : `"${parent_id}"`
  return `{"id":"${id}","created_at":"${created_at}","updated_at":"${updated_at}","tags":${tags},"data":${data},"parent_id":${parent},"level":${level}}`
}

export function toSummary(row: ArtifactRow): ArtifactSummary {
  const { id, created_at, updated_at, tags, data, parent_id, level } = row
  return {
    id,
    created_at,
    updated_at,
    tags: JSON.parse(tags),
    data: JSON.parse(data),
    parent_id,
    level,
  }
}

export function toNode(row: ArtifactRow, hierarchy: Hierarchy): ArtifactNode {
  return {
    ...toSummary(row),
    level_label: hierarchy.labels[row.level] ?? `level_${row.level}`,
    hierarchy: hierarchy.name,
    children: null,
  }
}

/** The beginning of a node's JSON, up to its children. */
export function nodeHead(row: ArtifactRow, hierarchy: Hierarchy): string {
  const label = hierarchy.labels[row.level] ?? `level_${row.level}`
  return `${summaryText(row).slice(0, -1)},"level_label":${JSON.stringify(label)},"hierarchy":${JSON.stringify(hierarchy.name)},"children":[`
}

/** What closes a node that was begun. */
export const nodeTail = ']}'
