import { createHash } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { answerTasks } from '../thread/answer.ts'
import { type FrameForm, readFrame, writeFrame } from './frame-forms.ts'

/** JSON bytes of a blob: themselves, or the path of their file and the hash that they must have. */
export type Source = { bytes: Uint8Array } | { path: string; hash: string }

/** What the thread can be asked for. */
export const tasks = {
  /** Writes a frame into an open file. Its size there; null when the bytes are no frame, and nothing was written. */
  async render({
    source,
    format,
    file,
  }: {
    source: Source
    format: FrameForm
    /** Descriptor of an empty file. */
    file: number
  }): Promise<number | null> {
    const frame = readFrame(read(source))
    if (frame === null) return null
    let size = 0
    for await (const part of writeFrame(frame, format)) {
      // One write may take less than it was given.
      for (let at = 0; at < part.byteLength; ) at += writeSync(file, part, at)
      size += part.byteLength
    }
    return size
  },
}

export type RenderingTasks = typeof tasks

function read(source: Source): Uint8Array {
  if ('bytes' in source) return source.bytes
  const bytes = readFileSync(source.path)
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found !== source.hash) throw new Error(`blob ${source.hash}: its bytes have SHA-256 ${found}`)
  return bytes
}

answerTasks(tasks, { isNice: true })
