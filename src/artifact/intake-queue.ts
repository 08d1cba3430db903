import { ChapkitError } from '../errors.ts'
import { createThread } from '../thread/caller.ts'
import { ownBytes } from '../thread/hand-over.ts'
import { isSameJson, type TakenBody, takeBody } from './intake.ts'
import type { ArtifactIntakeTasks } from './intake-thread.ts'

/** JSON above this size is read by a thread of its own; below, handing it over costs more than it spares. */
const threadAbove = 64 * 1024
/** Bytes of memory that reading one body may take. */
const memoryLimit = 2048 * 2 ** 20

export type ArtifactIntake = ReturnType<typeof createArtifactIntake>

/** Reads what clients send as artifacts: small bodies here and now, large ones in a thread. */
export function createArtifactIntake() {
  const thread = createThread<ArtifactIntakeTasks>({
    program: new URL('./intake-thread', import.meta.url),
    name: 'artifacts that come in',
    memoryLimit,
    tooMuch: () =>
      new ChapkitError(
        'payload-too-large',
        `Expected JSON that can be read with ${memoryLimit} bytes of memory, got more; send it to $upload, which stores it as it is`,
      ),
  })

  return {
    /** The body of a request, its data taken apart. The bytes are handed over: nobody else may use them any more. */
    async take(body: Uint8Array): Promise<TakenBody> {
      if (body.byteLength <= threadAbove) return takeBody(body)
      const bytes = ownBytes(body)
      return thread.run('takeBody', bytes, [bytes.buffer])
    },

    /** Whether two JSON documents say the same. */
    async isSame(a: Uint8Array, b: Uint8Array): Promise<boolean> {
      if (a.byteLength + b.byteLength <= threadAbove) return isSameJson(a, b)
      // Copied: whoever asks goes on to use them.
      const [ownA, ownB] = [new Uint8Array(a), new Uint8Array(b)]
      return thread.run('isSameJson', { a: ownA, b: ownB }, [ownA.buffer, ownB.buffer])
    },

    close: thread.close,
  }
}
