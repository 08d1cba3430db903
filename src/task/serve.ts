import { z } from 'zod'
import type { Artifacts } from '../artifact/artifacts.ts'
import type { ArtifactIntake } from '../artifact/intake-queue.ts'
import { summaryText, toSummary } from '../artifact/render.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import { type Configs, configText } from '../config/configs.ts'
import { ConfigIn } from '../config/schema.ts'
import { ChapkitError, toError, validationError } from '../errors.ts'
import { type Sliced, sliceLength, slices, turn } from '../http/slices.ts'
import type { Jobs } from '../job/jobs.ts'
import { isFinal, jobStatuses } from '../job/schema.ts'
import { parseUlid } from '../kernel/id.ts'
import { fromSchemaIssues } from '../kernel/schema-issues.ts'
import { show } from '../kernel/show.ts'
import { Tags } from '../kernel/tags.ts'
import type { PredictIntake, TrainIntake } from '../ml/intake.ts'
import type { IntakeQueue } from '../ml/intake-queue.ts'
import type { Ml } from '../ml/ml.ts'
import type { CallAnswer, JsonParts } from '../ml/run.ts'

export interface ServeDeps {
  /** Parts that the service has; null for others. */
  configs: Configs | null
  artifacts: Artifacts
  jobs: Jobs
  ml: Ml | null
  intake: IntakeQueue
  artifactIntake: ArtifactIntake
  onError: (error: unknown, event: string) => void
}

/** How long one look at a job waits. */
const lookMs = 60_000
const chunk = 1000
/** Bytes that one list may have: all of it is in memory until the function has it. */
const largestList = 128 * 2 ** 20

// biome-ignore lint/suspicious/noExplicitAny: what arrives is checked by the rules, as what a client sends
type Method<Answer> = (signal: AbortSignal, ...args: any[]) => Promise<Answer>

/** Answers what task functions ask of the service; the other end of `remote.ts`. */
export function createServe(deps: ServeDeps) {
  const { artifacts, jobs, intake, onError } = deps
  const configs = () => deps.configs ?? lacks('configs', 'withConfig()')
  const ml = () => deps.ml ?? lacks('model', 'withMl()')

  const methods: Readonly<Record<string, Method<unknown>>> = {
    'configs.get': async (_, id: unknown) => configs().get(toId(id)),
    'configs.find': async (_, id: unknown) => configs().find(toId(id)),
    'configs.create': async (_, config: unknown) => configs().create(read(NewConfig, config)),
    'configs.update': async (_, id: unknown, config: unknown) =>
      configs().update(toId(id), read(NewConfig, config)),

    'artifacts.lineage': async (_, id: unknown) => artifacts.lineage(toId(id)),
    'artifacts.create': async (_, body: unknown) => {
      const { data, ...rest } = await deps.artifactIntake.take(toBytes(body))
      const { parentId, tags } = read(NewArtifact, rest)
      return toSummary(await artifacts.createTaken({ data, parent_id: parentId, tags }))
    },

    'jobs.get': async (_, id: unknown) => jobs.get(toId(id)),
    'jobs.list': async (_, filter: unknown) =>
      jobs.list(read(JobFilter, filter ?? {}), { kind: 'key', after: null, size: chunk }),
    'jobs.wait': wait,
    'jobs.cancel': async (_, id: unknown) => jobs.cancel(toId(id)),
    'jobs.logs': async (_, id: unknown, after: unknown) =>
      (await jobs.logs(toId(id), read(After, after ?? 0), chunk)).items,

    'ml.train': async (_, body: unknown) => ml().train((await take('train', body)) as TrainIntake),
    'ml.predict': async (_, body: unknown) =>
      ml().predict((await take('predict', body)) as PredictIntake),
    'ml.validate': async (_, body: unknown) => ml().validate(take('by-type', body)),
  }

  /** What these answer may be large: only the function reads it. */
  const large: Readonly<Record<string, Method<JsonParts>>> = {
    'configs.list': async (_, filter: unknown) => {
      const { tag, name: wanted } = read(ConfigFilter, filter ?? {})
      return collect(
        { fetch: configs().rows, toText: configText },
        ({ tags, name }) =>
          (tag === undefined || JSON.parse(tags).includes(tag)) && (wanted ?? name) === name,
      )
    },
    'artifacts.get': (_, id: unknown) => artifacts.parts(toId(id)),
    'artifacts.list': async (_, given: unknown) => {
      const filter = read(ArtifactFilter, given ?? {})
      return collect({ fetch: artifacts.list, toText: summaryText }, (row) => fits(row, filter))
    },
  }

  const take = (type: 'train' | 'predict' | 'by-type', body: unknown) =>
    intake.take({ form: 'json', type, body: toBytes(body) })

  async function wait(signal: AbortSignal, given: unknown): Promise<unknown> {
    const id = toId(given)
    await jobs.get(id)
    while (!signal.aborted) {
      const record = await jobs.waitFor(id, lookMs, signal)
      if (!record) throw new ChapkitError('not-found', 'Job not found')
      if (isFinal(record.status)) return record
    }
    throw signal.reason
  }

  /** Never rejects. What the catalogue does not know is logged, and says nothing to the function. */
  return async (
    method: string,
    args: readonly unknown[],
    signal: AbortSignal,
  ): Promise<CallAnswer> => {
    try {
      if (Object.hasOwn(large, method)) return { parts: await large[method]!(signal, ...args) }
      const found = Object.hasOwn(methods, method) ? methods[method] : undefined
      if (!found) throw new ChapkitError('not-found', `The service has no method ${method}`)
      return { value: (await found(signal, ...args)) ?? null }
    } catch (thrown) {
      const error = toError(thrown)
      if (error instanceof ChapkitError && error.code !== 'internal') {
        const { code, message, issues } = error
        return { error: { code, message, ...(issues && { issues }) } }
      }
      if (!signal.aborted) onError(thrown, 'task.call.failed')
      return {
        error: {
          code: 'internal',
          message: `The service could not answer ${method}; its log says why`,
        },
      }
    }
  }
}

/** What HTTP checks at its edge, for calls that come another way. */
function toId(id: unknown): string {
  return parseUlid(typeof id === 'string' ? id : show(id))
}

const NewConfig = ConfigIn.omit({ id: true })
const NewArtifact = z.object({
  parentId: z.string().nullable().default(null),
  tags: Tags.default([]),
})

const ConfigFilter = z.object({ tag: z.string().optional(), name: z.string().optional() })
const ArtifactFilter = z.object({
  tag: z.string().optional(),
  parentId: z.string().nullable().optional(),
  type: z.string().optional(),
})
const JobFilter = z.object({
  status: z.enum(jobStatuses).exactOptional(),
  type: z.string().exactOptional(),
})
const After = z.int().nonnegative()

/** From a host the body of a request is the bytes of its JSON; inline it is the value. */
function toBytes(body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body ?? null))
}

function read<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  throw validationError(fromSchemaIssues(parsed.error.issues, input, ['arguments']))
}

function lacks(what: string, method: string): never {
  throw new ChapkitError('conflict', `This service has no ${what}: add ${method} to its builder`)
}

function fits(
  { tags, parent_id, data }: ArtifactRow,
  { tag, parentId, type }: z.output<typeof ArtifactFilter>,
): boolean {
  return (
    (tag === undefined || JSON.parse(tags).includes(tag)) &&
    (parentId === undefined || parent_id === parentId) &&
    (type === undefined || (JSON.parse(data) as { type?: unknown } | null)?.type === type)
  )
}

/** All items of a list that are wanted. */
async function collect<Item extends { id: string }>(
  list: Sliced<Item>,
  isWanted: (item: Item) => boolean,
): Promise<JsonParts> {
  const parts: { bytes: Uint8Array }[] = []
  let left = largestList
  let mark = '['
  for await (const { items, texts } of slices(list, null, Number.POSITIVE_INFINITY)) {
    const wanted: string[] = []
    let looked = 0
    for (const [at, item] of items.entries()) {
      const text = texts[at]!
      if (isWanted(item)) wanted.push(text)
      looked += text.length
      if (looked < sliceLength) continue
      looked = 0
      await turn()
    }
    if (wanted.length === 0) continue
    const bytes = Buffer.from(mark + wanted.join(','))
    mark = ','
    parts.push({ bytes })
    left -= bytes.byteLength
    if (left >= 0) continue
    throw new ChapkitError(
      'payload-too-large',
      `Expected a list of at most ${largestList} bytes of JSON, got more; name what is wanted of it`,
    )
  }
  return [...parts, mark === '[' ? '[]' : ']']
}
