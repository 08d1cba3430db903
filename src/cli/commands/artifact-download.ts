import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Download, FrameFormat } from '../../client/index.ts'
import { toSize } from '../backup.ts'
import { CommandError, exit } from '../exit.ts'
import { assertFree, place, toFileError } from '../files.ts'
import { parseId } from '../find.ts'
import { printContent } from '../print.ts'
import type { Progress } from '../progress.ts'
import { type Remote, type RemoteOptions, withRemote } from '../remote.ts'

export interface ArtifactDownloadOptions extends RemoteOptions {
  output?: string
  format?: FrameFormat
  force?: boolean
}

/*
 * A download is written beside its place, into a file whose name tells of which content it is a part, and gets its name when it
 * is whole. Whatever ends it, the same command goes on from there.
 */

/** Writes the content of an artifact into a file, or to stdout for `-`. */
export async function artifactDownload(
  wanted: string,
  options: ArtifactDownloadOptions,
): Promise<number> {
  return withRemote(options, async (remote) => {
    const { client, output } = remote
    const id = parseId(wanted, 'the id of an artifact')
    const { format, force = false } = options
    const first = await client.artifacts.open(id, { format })
    if (options.output === '-') {
      await printContent(first.stream)
      return exit.ok
    }
    const path = options.output ?? basename(first.filename ?? `${id}.bin`)
    const progress = output.progress(`downloading ${basename(path)}`)
    try {
      assertFree(path, force)
      const bytes = await fetchWhole({ remote, id, path, force, format, first, progress })
      progress.end()
      output.result(
        { artifact_id: id, file: path, bytes, type: first.type },
        () => `Wrote ${path} (${toSize(bytes)})`,
      )
      return exit.ok
    } catch (error) {
      await first.stream.cancel().catch(() => {})
      throw error
    } finally {
      progress.end()
    }
  })
}

interface Fetch {
  remote: Remote
  id: string
  path: string
  force: boolean
  format: FrameFormat | undefined
  first: Download
  progress: Progress
}

async function fetchWhole({
  remote,
  id,
  path,
  force,
  format,
  first,
  progress,
}: Fetch): Promise<number> {
  const { client, signal } = remote
  const target = resolve(path)
  const { etag, size } = first
  const part = join(dirname(target), `.${basename(target)}.${nameOf(id, format, etag)}.part`)
  // Without a name for its content a part could belong to another one.
  if (etag === null) await rm(part, { force: true })
  remote.ifInterrupted(
    etag === null
      ? 'nothing was written'
      : `interrupted; the same command goes on where this one ended`,
  )
  const goOn = async (start: number): Promise<Download> => {
    await first.stream.cancel().catch(() => {})
    const rest = await client.artifacts.open(id, { format, range: { start } })
    if (rest.etag === etag && rest.size === (size ?? 0) - start) return rest
    await rest.stream.cancel().catch(() => {})
    throw new CommandError(`${id} has other content than a moment ago: try again`)
  }
  // The client goes on with a stream that breaks off; this goes on with what an earlier command has left.
  const have = etag === null || size === null ? 0 : await sizeOf(part)
  const isResumed = have > 0 && have <= (size ?? 0)
  if (!isResumed) await rm(part, { force: true })
  if (!isResumed || have !== size) {
    const download = isResumed ? await goOn(have) : first
    const ended = await write(download, part, { size, progress, signal })
    if (ended !== null) {
      signal.throwIfAborted()
      if (!isLocal(ended)) throw ended
      await rm(part, { force: true }).catch(() => {})
      throw toFileError(ended, path, 'write')
    }
  }
  const bytes = await sizeOf(part)
  if (size !== null && bytes !== size)
    throw new CommandError(`Expected ${size} bytes of ${id}, got ${bytes}: try again`)
  try {
    await place(part, target, force)
  } catch (error) {
    throw toFileError(error, path, 'write')
  }
  return bytes
}

/** Adds what comes to the part. Answers what ended it, null when all has come and is on the disk. */
async function write(
  { stream }: Download,
  part: string,
  { size, progress, signal }: { size: number | null; progress: Progress; signal: AbortSignal },
): Promise<Error | null> {
  let bytes = await sizeOf(part)
  const counted = async function* () {
    for await (const chunk of stream) {
      bytes += chunk.byteLength
      const done = size === null || size === 0 ? null : bytes / size
      progress.update({
        done,
        text: size === null ? toSize(bytes) : `${toSize(bytes)} of ${toSize(size)}`,
      })
      yield chunk
    }
  }
  try {
    await pipeline(counted(), createWriteStream(part, { flags: 'a', flush: true }), { signal })
    return null
  } catch (error) {
    return error as Error
  }
}

const nameOf = (id: string, format: string | undefined, etag: string | null): string =>
  createHash('sha256').update(`${id} ${format} ${etag}`).digest('hex').slice(0, 12)

const sizeOf = async (path: string): Promise<number> =>
  (await stat(path).catch(() => null))?.size ?? 0

/** Whether it is this machine that could not, rather than the connection. */
const isLocal = (error: Error): boolean =>
  'syscall' in error && /^(open|write|fsync)$/.test(String(error.syscall))
