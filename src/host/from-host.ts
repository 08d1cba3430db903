import { z } from 'zod'
import { toError } from '../errors.ts'
import { maximumDepth } from '../kernel/json.ts'
import { toPlain } from '../task/plain.ts'
import type { RawOutcome } from './execute.ts'
import { type Frame, ProtocolError } from './frames.ts'
import {
  bodyMethods,
  type FromHostType,
  kindsFromHost,
  longestError,
  longestLine,
  longestMetric,
  longestTraceback,
  mostMetrics,
} from './protocol.ts'

/*
 * What a host says, checked: the model runs in the same process and can write to the channel what it likes. What is not of the
 * protocol is a `ProtocolError`, which ends the host and fails what it ran.
 */

const RunId = z.int().positive()
const ErrorText = z.string().max(longestError)
const Traceback = z.string().max(longestTraceback).nullable()
/** Not a record of the library, which takes microseconds for each key. */
const Metrics = z.custom<Record<string, number>>((value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const metrics = Object.entries(value)
  return (
    metrics.length <= mostMetrics &&
    metrics.every(([name, each]) => name.length <= longestMetric && Number.isFinite(each))
  )
}, `expected at most ${mostMetrics} finite numbers with names of ${longestMetric} characters`)

const TaskError = z.strictObject({
  type: z.string().max(longestLine),
  message: ErrorText,
  traceback: Traceback,
  mayRetry: z.boolean(),
})

const Result = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('train'), metrics: Metrics }),
  z.strictObject({ kind: z.literal('predict'), metrics: Metrics }),
  z.strictObject({
    kind: z.literal('task'),
    value: z.unknown().transform((value, context) => {
      try {
        return toPlain(value ?? null, 'result')
      } catch (error) {
        context.addIssue(toError(error).message)
        return z.NEVER
      }
    }),
    error: TaskError.nullable(),
  }),
])

const Outcome = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('done'), result: Result }),
  z.strictObject({ status: z.literal('failed'), error: ErrorText, traceback: Traceback }),
])

const schemas = {
  ready: z.strictObject({}),
  /** The user's module cannot be used. */
  unfit: z.strictObject({ error: ErrorText, traceback: Traceback }),
  log: z.strictObject({ id: RunId, line: z.string().max(longestLine) }),
  progress: z.strictObject({
    id: RunId,
    fraction: z.number().min(0).max(1).nullable(),
    message: z.string().max(longestLine).nullable(),
  }),
  metrics: z.strictObject({ id: RunId, values: Metrics }),
  /** The run asks the service for something. */
  call: z.strictObject({
    id: RunId,
    call: z.int().positive(),
    method: z.string().max(100),
    args: z.array(z.unknown()).max(8),
  }),
  answer: z.strictObject({
    id: RunId,
    outcome: Outcome,
    /** Bytes of memory that the host takes. */
    rss: z.number().nonnegative(),
    /** Keys of the models that it has loaded. */
    models: z.array(z.string().max(200)).max(100),
    /** The host is in an unknown state and ends. */
    ends: z.boolean(),
    /** It was asked to end by a signal, of which the model made something else. */
    isSignaled: z.boolean(),
  }),
} satisfies Record<FromHostType, z.ZodType>

type Schemas = typeof schemas

/** What a host says, as it is written: bytes lie beside it. */
export type HostMessage =
  | { type: 'ready' }
  | {
      [Type in Exclude<FromHostType, 'ready'>]: { type: Type } & z.infer<Schemas[Type]>
    }[Exclude<FromHostType, 'ready'>]

type Said<Type extends FromHostType> = Extract<HostMessage, { type: Type }>

/** What a host said, with the bytes that came with it in their places. */
export type FromHost =
  | Exclude<HostMessage, { type: 'call' | 'answer' }>
  | (Said<'call'> & { bytes: number })
  | (Omit<Said<'answer'>, 'outcome'> & { outcome: RawOutcome })

const types = new Map<number, FromHostType>(
  Object.entries(kindsFromHost).map(([type, kind]) => [kind, type as FromHostType]),
)

export function typeOfKind(kind: number): FromHostType | undefined {
  return types.get(kind)
}

/** Deeper than data of a user in a message lies. */
const wrapping = 8

/** What a frame says. `mostValues` are the elements and members that its JSON may have. */
export function readFromHost(
  { kind, json, attachment }: Frame,
  mostValues = Number.POSITIVE_INFINITY,
): FromHost {
  const type = types.get(kind)
  if (type === undefined) throw new ProtocolError(`a message of an unknown kind (${kind})`)
  const message = parse(type, json, mostValues)
  const read = schemas[type].safeParse(message)
  if (read.success) {
    const said = { type, ...read.data } as HostMessage
    if (said.type === 'call') return withBody(said, json.length, attachment)
    if (said.type === 'answer') return { ...said, outcome: withBytes(said.outcome, attachment) }
    return said
  }
  const [issue] = read.error.issues
  const place = [type, ...(issue?.path ?? [])].map(String).join('.').slice(0, 200)
  throw new ProtocolError(
    `a message that is wrong at \`${place}\`: ${issue?.message.slice(0, 200)}`,
  )
}

function withBody(call: Said<'call'>, size: number, attachment: Buffer): FromHost {
  const bytes = size + attachment.length
  if (!bodyMethods.has(call.method)) {
    if (attachment.length > 0) throw new ProtocolError('a call with bytes that nobody reads')
    return { ...call, bytes }
  }
  if (call.args.length > 0) throw new ProtocolError('a call with arguments beside its body')
  return { ...call, args: [attachment], bytes }
}

function withBytes({ ...outcome }: z.infer<typeof Outcome>, attachment: Buffer): RawOutcome {
  if (outcome.status === 'done') {
    const { result } = outcome
    if (result.kind === 'train') return { status: 'done', result: { ...result, model: attachment } }
    if (result.kind === 'predict')
      return { status: 'done', result: { ...result, frame: attachment } }
  }
  if (attachment.length > 0) throw new ProtocolError('an answer with bytes that nobody reads')
  return outcome as RawOutcome
}

function parse(type: string, json: Buffer, mostValues: number): unknown {
  assertModest(type, json, mostValues)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
  } catch {
    throw new ProtocolError(`a message \`${type}\` that is no JSON`)
  }
}

/** Before JSON.parse: megabytes of opening brackets, or of members, would hold it for seconds, and gigabytes. */
function assertModest(type: string, json: Buffer, mostValues: number): void {
  let depth = 0
  let values = 0
  let isText = false
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (isText) {
      if (byte === 92) at++
      else if (byte === 34) isText = false
    } else if (byte === 34) isText = true
    else if (byte === 44) {
      if (++values > mostValues)
        throw new ProtocolError(`a message \`${type}\` with more than ${mostValues} values`)
    } else if (byte === 91 || byte === 123) {
      if (++depth > maximumDepth + wrapping)
        throw new ProtocolError(`a message \`${type}\` with more than ${maximumDepth} levels`)
    } else if (byte === 93 || byte === 125) depth--
  }
}
