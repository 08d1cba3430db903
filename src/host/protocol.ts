import type { BytesSource, CallAnswer, JsonParts, RunRequest } from '../ml/run.ts'
import type { Frame, FrameLimit } from './frames.ts'

/*
 * What the service and a model host say to each other. A run is one message each way; logs, progress, metrics and calls come
 * between. The model has the same end of the channel as its host: what comes from there is believed only as far as
 * `from-host.ts` has checked it.
 */

/** What a host is started with, as its second argument. */
export interface HostParameters {
  /** Process id of the service: when it is no longer the parent, the host ends. */
  servicePid: number
  /** Milliseconds between two heartbeats. */
  heartbeatMs: number
  /** Bytes of memory beyond which the host ends itself. */
  memoryLimit: number
}

/** File descriptor of the channel in a host: a pipe in both directions. */
export const channelFd = 3
/** File descriptor that a host writes its heartbeats to. */
export const heartbeatFd = 4
export const heartbeat = '.'
/** Stands in place of the last heartbeat of a host that takes more memory than it may. */
export const tooLarge = '!'

export type ToHost =
  | { type: 'run'; id: number; request: RunRequest }
  | { type: 'cancel'; id: number }
  /** Answers a call of a run. */
  | { type: 'reply'; id: number; call: number; answer: CallAnswer }
  | { type: 'end' }

/** The kinds of messages as frames have them. */
export const kindsToHost = { run: 1, cancel: 2, reply: 3, end: 4 } as const
export const kindsFromHost = {
  ready: 16,
  unfit: 17,
  log: 18,
  progress: 19,
  metrics: 20,
  call: 21,
  answer: 22,
} as const

export type FromHostType = keyof typeof kindsFromHost

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** Longest texts of a failure, in characters. A host cuts its own. */
export const longestError = 64 * kibibyte
export const longestTraceback = 256 * kibibyte
/** Longest line, and longest message of progress, in characters; a cut one ends with a sign of it. */
export const longestLine = 8 * kibibyte + 1
/** Names of metrics: how many, and how long one is. A host leaves the others out. */
export const mostMetrics = 10_000
export const longestMetric = 200
/** Bytes of JSON that a function may return: lists of artifacts have it in them. */
export const largestTaskResult = mebibyte
/** Bytes of JSON that a function may hand over with a call: the service parses them between two requests. */
export const largestCall = mebibyte
/** Bytes of the body of a call of {@link bodyMethods}. */
export const largestBody = 64 * mebibyte
/** Calls of a run, and their bytes, that may be unanswered at the same time. */
export const mostCalls = 10_000
export const mostCallBytes = 128 * mebibyte
/** Largest model or prediction, in bytes, where the memory of a host does not end before. */
export const largestResult = 2 ** 31

/** Methods whose one argument is the body of a request: it travels as bytes, and only a thread reads it. */
export const bodyMethods: ReadonlySet<string> = new Set([
  ...['artifacts.create', 'ml.train', 'ml.predict', 'ml.validate'],
])

/** A character takes up to six bytes in JSON. */
const text = (characters: number) => 6 * characters + kibibyte

/** Elements and members of a message that has metrics, and little else. */
const metricValues = mostMetrics + 200

/** What each kind of message from a host may be at most; an answer is limited by what was asked. */
export const limitsFromHost: Readonly<Record<Exclude<FromHostType, 'answer'>, FrameLimit>> = {
  ready: { json: kibibyte, attachment: 0 },
  unfit: { json: text(longestError + longestTraceback), attachment: 0 },
  log: { json: text(longestLine), attachment: 0 },
  progress: { json: text(longestLine), attachment: 0 },
  metrics: { json: 4 * mebibyte, attachment: 0, values: metricValues },
  call: { json: largestCall + kibibyte, attachment: largestBody },
}

/** What the answer of a run may be at most: of a model with a result of so many bytes, or of a task. */
export function limitOfAnswer(kind: RunRequest['kind'], result: number): FrameLimit {
  if (kind !== 'task') return { json: 4 * mebibyte, attachment: result, values: metricValues }
  return { json: largestTaskResult + text(longestError + longestTraceback), attachment: 0 }
}

/** Where the bytes of a source lie in the attachment. */
type PackedSource = { at: number; length: number } | { path: string }

/** A request without its bytes, and the bytes in the order in which the request names them. */
export function packRequest(request: RunRequest): { packed: unknown; attachments: Uint8Array[] } {
  const { pack, attachments } = packing()
  return { packed: mapSources(request, pack as never), attachments }
}

function packing() {
  const attachments: Uint8Array[] = []
  let at = 0
  const pack = (source: BytesSource): PackedSource => {
    if ('path' in source) return source
    const { bytes } = source
    attachments.push(bytes)
    at += bytes.byteLength
    return { at: at - bytes.byteLength, length: bytes.byteLength }
  }
  return { pack, attachments }
}

function unpack(source: PackedSource, attachment: Uint8Array): BytesSource {
  if ('path' in source) return source
  return { bytes: attachment.subarray(source.at, source.at + source.length) }
}

/** An answer to a call without its bytes, and the bytes in the order in which it names them. */
export function packAnswer(answer: CallAnswer): { packed: unknown; attachments: Uint8Array[] } {
  if (!('parts' in answer)) return { packed: answer, attachments: [] }
  const { pack, attachments } = packing()
  const parts = answer.parts.map((part) =>
    pack(typeof part === 'string' ? { bytes: Buffer.from(part) } : part),
  )
  return { packed: { parts }, attachments }
}

function unpackAnswer(packed: CallAnswer, attachment: Uint8Array): CallAnswer {
  if (!('parts' in packed)) return packed
  const parts = packed.parts as unknown as PackedSource[]
  return { parts: parts.map((part) => unpack(part, attachment)) satisfies JsonParts }
}

export function unpackRequest(packed: RunRequest, attachment: Uint8Array): RunRequest {
  return mapSources(packed, ((source: PackedSource) => unpack(source, attachment)) as never)
}

function mapSources(request: RunRequest, map: (source: BytesSource) => BytesSource): RunRequest {
  if (request.kind === 'task') return request
  const geo = request.geo && map(request.geo)
  switch (request.kind) {
    case 'train':
      return { ...request, geo, frames: { data: map(request.frames.data) } }
    case 'predict':
      return {
        ...request,
        geo,
        frames: {
          historic: map(request.frames.historic),
          future: map(request.frames.future),
        },
        model: { ...request.model, source: map(request.model.source) },
      }
  }
}

/** What the service says, as a host reads it. The service is believed. */
export function readToHost({ kind, json, attachment }: Frame): ToHost {
  const message = JSON.parse(json.toString()) as never
  switch (kind) {
    case kindsToHost.run: {
      const { id, request } = message as { id: number; request: RunRequest }
      return { type: 'run', id, request: unpackRequest(request, attachment) }
    }
    case kindsToHost.cancel:
      return { type: 'cancel', ...(message as { id: number }) }
    case kindsToHost.reply: {
      const { id, call, answer } = message as { id: number; call: number; answer: CallAnswer }
      return { type: 'reply', id, call, answer: unpackAnswer(answer, attachment) }
    }
    default:
      return { type: 'end' }
  }
}

/** A text that is at most so long; a sign stands for what is missing. */
export function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}
