import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { HashedBytes } from '../blob/blobs.ts'
import { validationError } from '../errors.ts'
import { parseJson } from '../kernel/json.ts'
import { show } from '../kernel/show.ts'
import { splitContent } from './render.ts'

/**
 * Bytes that an artifact may have as JSON beside its content: they stand in its row, and in every list that it is in. What is
 * larger is content.
 */
export const maximumData = 256 * 1024

/** Data of an artifact, taken apart: what goes into its row, and its content in the form that it is stored in. */
export interface TakenData {
  /** JSON text of the data without its `content`. */
  text: string
  /** Where in `text` the content was; null when there is none. */
  offset: number | null
  /** The members `type` and `content_type`, where they are texts. */
  type: string | null
  contentType: string | null
  /** Null where there is none, or it is null. */
  content: HashedBytes | null
}

/** The body of a request that creates or replaces an artifact: its other members as they came. */
export interface TakenBody {
  [member: string]: unknown
  /** Nothing and null as they came. */
  data?: TakenData | null | undefined
}

/**
 * Parses the body of a request, and takes its `data` apart: a pure function of bytes, so that it can run where nobody waits for
 * it. What comes back is small beside the content, which is bytes.
 */
export function takeBody(bytes: Uint8Array): TakenBody {
  const value = parseJson(bytes)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw validationError([
      { loc: ['body'], msg: `Expected an object, got ${show(value)}`, type: 'type' },
    ])
  }
  const { data, ...rest } = value as { data?: unknown }
  assertSmall(['body'], 'beside `data`', JSON.stringify(rest))
  if (data === undefined) return rest
  return { ...rest, data: data === null ? null : takeSmallData(data) }
}

/** As `takeData`. Throws 422 when there is too much of it beside its content. */
export function takeSmallData(data: unknown): TakenData {
  const taken = takeData(data)
  assertSmall(['body', 'data'], 'beside `content`', taken.text)
  return taken
}

export function takeData(data: unknown): TakenData {
  const { text, offset, content } = splitContent(data)
  const members = typeof data === 'object' ? (data as Record<string, unknown>) : {}
  return {
    text,
    offset,
    type: textOrNull(members.type),
    contentType: textOrNull(members.content_type),
    content: content === undefined || content === null ? null : hashed(JSON.stringify(content)),
  }
}

/** JSON text with sorted keys: equal for equal values. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, node: unknown) =>
    node !== null && typeof node === 'object' && !Array.isArray(node)
      ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
      : node,
  )
}

/** Whether two JSON documents say the same. */
export function isSameJson(a: Uint8Array, b: Uint8Array): boolean {
  const read = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString())
  return canonical(read(a)) === canonical(read(b))
}

function hashed(text: string): HashedBytes {
  const bytes = new TextEncoder().encode(text)
  return { bytes, hash: createHash('sha256').update(bytes).digest('hex'), crc32: crc32(bytes) }
}

function assertSmall(loc: (string | number)[], where: string, text: string): void {
  const size = Buffer.byteLength(text)
  if (size <= maximumData) return
  throw validationError([
    {
      loc,
      msg: `Expected at most ${maximumData} bytes of JSON ${where}, got ${size}; what is large goes into \`data.content\``,
      type: 'too_large',
    },
  ])
}

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
