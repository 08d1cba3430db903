import { setImmediate as nextTurn } from 'node:timers/promises'
import { DataFrame, type FrameParts } from '../data/frame.ts'
import type { Cell, FrameJson } from '../data/schema.ts'

/** Bytes that are parsed at once: a few milliseconds. */
const usualSlice = 256 * 1024

const quote = 34
const comma = 44
const backslash = 92
const close = 93

/**
 * The frame that canonical text says (`canonicalFrameText`). A large one is read in slices, between which everybody else on this
 * thread has a turn.
 */
export async function readInSlices(
  bytes: Uint8Array,
  sliceBytes: number = usualSlice,
): Promise<DataFrame> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (text.byteLength <= sliceBytes)
    return DataFrame.fromJson(JSON.parse(text.toString()) as FrameJson)
  const start = '{"columns":'.length
  const end = endOfList(text, start)
  const columns = JSON.parse(text.toString('utf8', start, end)) as string[]
  return DataFrame.fromParts(columns, partsOf(text, end + ',"data":['.length, sliceBytes), nextTurn)
}

/** Rows in slices, and at last the schema that stands behind them. */
function* partsOf(text: Buffer, first: number, sliceBytes: number): FrameParts {
  let at = first
  while (text[at] !== close) {
    const from = at
    let to = at
    do {
      to = endOfList(text, at)
      at = text[to] === comma ? to + 1 : to
    } while (text[at] !== close && to - from < sliceBytes)
    yield JSON.parse(`[${text.toString('utf8', from, to)}]`) as Cell[][]
  }
  const rest = text.toString('utf8', at + 1).replace(/^,/, '')
  return (JSON.parse(`{${rest}`) as Pick<FrameJson, 'schema'>).schema
}

/** The place behind a list of plain values. */
function endOfList(text: Buffer, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === close) return at + 1
    if (text[at] !== quote) continue
    at++
    while (text[at] !== quote) at += text[at] === backslash ? 2 : 1
  }
  throw new Error('Expected the canonical text of a frame')
}
