import { ChapkitError } from '../errors.ts'
import { createThread } from '../thread/caller.ts'
import { ownBytes } from '../thread/hand-over.ts'
import { numericColumns } from './covariates.ts'
import type { MLServiceInfo } from './info.ts'
import { type Intake, type IntakeRequest, type TakenFrame, takeIn } from './intake.ts'
import type { IntakeTasks } from './intake-thread.ts'

/** Bodies above this size are read by a thread of their own; below, handing them over costs more than it spares. */
const threadAbove = 64 * 1024
/** Bytes of memory that reading one body may take. */
const memoryLimit = 2048 * 2 ** 20

/** A request body as it came. */
type BodyRequest = DistributiveOmit<
  Exclude<IntakeRequest, { form: 'frame' }>,
  'numeric' | 'required'
>

type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown
  ? Omit<Union, Key>
  : never

export type IntakeQueue = ReturnType<typeof createIntakeQueue>

/**
 * Reads request bodies: small ones here and now, large ones in one thread that starts with the first of
 * them. Of the service, `required_covariates` and `target` are columns that hold numbers besides the agreed ones.
 */
export function createIntakeQueue(info?: Pick<MLServiceInfo, 'required_covariates' | 'target'>) {
  const required = info?.required_covariates ?? []
  const numeric = info ? numericColumns(info) : []
  const thread = createThread<IntakeTasks>({
    program: new URL('./intake-thread', import.meta.url),
    name: 'data that comes in',
    memoryLimit,
    tooMuch: () =>
      new ChapkitError(
        'payload-too-large',
        `Expected data that can be read with ${memoryLimit} bytes of memory, got more; send fewer rows`,
      ),
  })

  async function take(request: IntakeRequest): Promise<Intake | TakenFrame> {
    if (request.body.byteLength <= threadAbove) return takeIn(request)
    const body = ownBytes(request.body)
    return thread.run('takeIn', { ...request, body }, [body.buffer])
  }

  return {
    /**
     * The checked request. Throws what is wrong with it: 400 or 422. The bytes are handed over: nobody else may use them any
     * more.
     */
    take: (request: BodyRequest): Promise<Intake> =>
      take(
        request.form === 'csv' ? { ...request, numeric, required } : { ...request, numeric },
      ) as Promise<Intake>,

    /** A frame of which `columns` hold numbers, too. Throws 422 with the cells that are none. */
    agree: (
      { bytes, decimal }: TakenFrame,
      columns: readonly string[],
      loc: string[],
    ): Promise<TakenFrame> =>
      // A copy: whoever asks goes on with its frame where this is refused.
      take({
        ...{ form: 'frame', body: new Uint8Array(bytes), numeric: columns, decimal, loc },
      }) as Promise<TakenFrame>,

    close: thread.close,
  }
}
