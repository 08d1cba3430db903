import { serialize } from 'node:v8'
import fc from 'fast-check'
import { kindsFromHost } from '../../src/host/protocol.ts'

/** What a host does in place of its work. */
export interface Attack {
  /** The request that it is given. */
  kind: 'train' | 'predict' | 'task'
  /** What it says before it is given anything, and after. */
  start: Buffer
  said: Buffer
  /** What it writes elsewhere. */
  stdout: Buffer
  stderr: Buffer
  heart: Buffer
  /** How many messages that is. */
  messages: number
}

interface Message {
  kind: number
  json: Buffer
  attachment: Buffer
}

const headerBytes = 16

/** A frame as it should be: written a second time here, so that a test does not believe the program. */
export function toFrame({ kind, json, attachment }: Message): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.set([0xb7, 0xc6, kind])
  header.writeUInt32LE(json.length, 4)
  header.writeUIntLE(attachment.length, 8, 6)
  return Buffer.concat([header, json, attachment])
}

export const message = (
  type: keyof typeof kindsFromHost,
  value: unknown,
  attachment: Uint8Array = Buffer.alloc(0),
): Buffer =>
  toFrame({
    kind: kindsFromHost[type],
    json: Buffer.from(JSON.stringify(value)),
    attachment: Buffer.from(attachment),
  })

export const ready = message('ready', {})

/** A host has one run here, and speaks of others, too. */
const id = fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 3 }))
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', 'x'.repeat(8193), '\u0000', '\u001b[2J', '\ud800'),
)
const metrics = fc.dictionary(fc.string({ maxLength: 8 }), fc.double({ noNaN: true }), {
  maxKeys: 4,
})
const cell = fc.oneof(fc.string({ maxLength: 4 }), fc.double(), fc.boolean(), fc.constant(null))

/** What a prediction may be: mostly a frame, with lies in it. */
const prediction = fc.oneof(
  fc
    .tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.array(fc.array(cell, { maxLength: 3 }), { maxLength: 3 }),
    )
    .map(([width, data]) => ({ columns: ['a', 'b', 'a', ''].slice(0, width), data })),
  fc.array(cell, { minLength: 1, maxLength: 3 }).map((cells) => ({
    columns: ['time_period', 'location', 'sample_0'].slice(0, cells.length),
    data: [cells, cells],
    schema: { fields: [{ name: 'time_period', type: 'nothing' }] },
  })),
  fc.jsonValue(),
)
const taskResult = fc.record({
  kind: fc.constant('task'),
  value: fc.jsonValue(),
  error: fc.option(
    fc.record({ type: text, message: text, traceback: fc.option(text), mayRetry: fc.boolean() }),
  ),
})
const resultOf = (kind: Attack['kind']) =>
  kind === 'task' ? taskResult : fc.record({ kind: fc.constant(kind), metrics })
const kinds = fc.constantFrom('train', 'predict', 'task')

/** `kind` is what was asked for. */
const answerOf = (kind: Attack['kind']) =>
  fc.record({
    id: fc.constant(1),
    outcome: fc.oneof(
      { weight: 4, arbitrary: fc.record({ status: fc.constant('done'), result: resultOf(kind) }) },
      { weight: 1, arbitrary: failed },
    ),
    rss: fc.double({ min: 0, max: 1e12, noNaN: true }),
    models: fc.array(fc.string({ maxLength: 8 }), { maxLength: 3 }),
    ends: fc.boolean(),
    isSignaled: fc.boolean(),
  })
const failed = fc.record({
  status: fc.constant('failed'),
  error: text,
  traceback: fc.option(text),
})

/** What an honest host says while it runs something. */
const values = {
  log: fc.record({ id, line: text }),
  progress: fc.record({
    id,
    fraction: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    message: fc.option(text),
  }),
  metrics: fc.record({ id, values: metrics }),
  call: fc.record({
    id,
    call: fc.integer({ min: 1, max: 5 }),
    method: fc.constantFrom('jobs.list', 'jobs.wait', 'constructor', '__proto__'),
    args: fc.array(fc.jsonValue(), { maxLength: 3 }),
  }),
}
const bytes = fc.uint8Array({ maxLength: 60 }).map((each) => Buffer.from(each))
const none = Buffer.alloc(0)

const toMessage = (type: keyof typeof kindsFromHost, value: unknown, attached = none): Message => ({
  kind: kindsFromHost[type],
  json: Buffer.from(JSON.stringify(value)),
  attachment: attached,
})

const along: fc.Arbitrary<Message> = fc
  .constantFrom('log', 'log', 'progress', 'progress', 'metrics', 'call')
  .chain((type) =>
    values[type as keyof typeof values].map((value) =>
      toMessage(type as keyof typeof values, value),
    ),
  )

const answer = (kind: Attack['kind']): fc.Arbitrary<Message> =>
  fc
    .tuple(answerOf(kind), prediction, fc.oneof({ weight: 4, arbitrary: fc.constant(none) }, bytes))
    .map(([value, frame, other]) => {
      const isDone = value.outcome.status === 'done' && kind !== 'task'
      const attached = other.length > 0 ? other : Buffer.from(JSON.stringify(frame))
      return toMessage('answer', value, isDone ? attached : none)
    })

/** Any message, in its place or not. */
const anything: fc.Arbitrary<Message> = fc.oneof(
  { weight: 3, arbitrary: along },
  { weight: 3, arbitrary: kinds.chain((kind) => answer(kind as Attack['kind'])) },
  fc.constant(toMessage('ready', {})),
  fc.record({ error: text, traceback: fc.option(text) }).map((value) => toMessage('unfit', value)),
  fc
    .tuple(fc.constantFrom('ml.train', 'ml.validate', 'artifacts.get'), bytes)
    .map(([method, body]) => toMessage('call', { id: 1, call: 9, method, args: [] }, body)),
)

/** Text that stands in the place of a value. */
const odd = fc.constantFrom(
  ...['null', 'true', '-1', '1e999', '-1e999', '1.5', '""', '[]', '{}', 'NaN', '[', '"', '\\'],
  ...[
    '{"__proto__":{"isAdmin":true}}',
    '{"constructor":{"prototype":{}}}',
    `"${'a'.repeat(70_000)}"`,
  ],
  ...[
    '['.repeat(300),
    `${'['.repeat(90)}${']'.repeat(90)}`,
    `${'{"a":'.repeat(90)}1${'}'.repeat(90)}`,
  ],
  ...['9007199254740993', '"\\ud800"', '"\\u0000"', `[${'0,'.repeat(20_000)}0]`, '\u00ff'],
)

/** One value of a message replaced, or a piece of its text gone, doubled or turned. */
const spoiled = (given: Message): fc.Arbitrary<Message> => {
  const json = given.json.toString()
  const ends = [...json.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null|[[\]{}]/g)]
  return fc.oneof(
    fc.tuple(fc.nat(Math.max(0, ends.length - 1)), odd).map(([index, other]) => {
      const place = ends[index]
      if (!place) return { ...given, json: Buffer.from(other) }
      const changed = `${json.slice(0, place.index)}${other}${json.slice(place.index + place[0].length)}`
      return { ...given, json: Buffer.from(changed) }
    }),
    fc.tuple(fc.nat(given.json.length), bytes).map(([at, other]) => ({
      ...given,
      json: Buffer.concat([
        given.json.subarray(0, at),
        other,
        given.json.subarray(at + other.length),
      ]),
    })),
    fc.tuple(fc.nat(255), bytes).map(([kind, other]) => ({ ...given, kind, attachment: other })),
    bytes.map((other) => ({ ...given, attachment: other })),
  )
}

/** A frame whose header lies, or that ends early. */
const broken = (given: Message): fc.Arbitrary<Buffer> => {
  const whole = toFrame(given)
  return fc.oneof(
    fc.nat(whole.length).map((end) => whole.subarray(0, end)),
    fc.tuple(fc.nat(headerBytes - 1), fc.nat(255)).map(([at, byte]) => {
      const changed = Buffer.from(whole)
      changed[at] = byte
      return changed
    }),
    fc.tuple(fc.integer({ min: -9, max: 9 }), fc.boolean()).map(([by, isJson]) => {
      const changed = Buffer.from(whole)
      const length = Math.max(0, (isJson ? given.json : given.attachment).length + by)
      if (isJson) changed.writeUInt32LE(length, 4)
      else changed.writeUIntLE(length, 8, 6)
      return changed
    }),
    fc.constant(Buffer.concat([whole, whole])),
  )
}

/** What Node says to itself on channels of its own. */
const commands = [
  'NODE_HANDLE',
  'NODE_HANDLE_ACK',
  'NODE_HANDLE_NACK',
  'NODE_CHANNEL',
  'NODE_CLUSTER',
]
const ofNode: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.constantFrom(...commands),
    fc.constantFrom('net.Socket', 'net.Server', 'x', null),
    fc.boolean(),
  )
  .map(([cmd, type, isAdvanced]) => {
    const value = { cmd, type, msg: null, key: 'a' }
    if (!isAdvanced) return Buffer.from(`${JSON.stringify(value)}\n`)
    const body = serialize(value)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(body.length)
    return Buffer.concat([length, body])
  })

const bad: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: anything.chain(spoiled).map(toFrame) },
  { weight: 2, arbitrary: anything.chain(broken) },
  { weight: 2, arbitrary: anything.map(toFrame) },
  { weight: 1, arbitrary: ofNode },
  { weight: 1, arbitrary: bytes },
)

/** Messages without a pause. */
const flood = fc
  .tuple(along.map(toFrame), fc.integer({ min: 50, max: 2000 }))
  .map(([one, times]) => Buffer.concat(new Array(times).fill(one)))

const last = (kind: Attack['kind']) =>
  fc.oneof(
    { weight: 4, arbitrary: answer(kind).map((each) => [toFrame(each)]) },
    {
      weight: 4,
      arbitrary: answer(kind)
        .chain(spoiled)
        .map((each) => [toFrame(each)]),
    },
    { weight: 4, arbitrary: fc.array(bad, { minLength: 1, maxLength: 3 }) },
    {
      weight: 1,
      arbitrary: answer(kind).map((each) => [toFrame(each), toFrame(each)]),
    },
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: flood.map((each) => [each]) },
  )

const noise = fc.oneof(
  { weight: 6, arbitrary: fc.constant(Buffer.alloc(0)) },
  { weight: 2, arbitrary: bytes },
  { weight: 1, arbitrary: fc.constantFrom(Buffer.alloc(300_000, 'z'), Buffer.alloc(20_000, '\n')) },
)

export const attacks: fc.Arbitrary<Attack> = kinds
  .chain((kind) =>
    fc.record({
      kind: fc.constant(kind as Attack['kind']),
      start: fc.oneof({ weight: 20, arbitrary: fc.constant(ready) }, { weight: 1, arbitrary: bad }),
      first: fc.array(along.map(toFrame), { maxLength: 60, size: 'max' }),
      last: last(kind as Attack['kind']),
      stdout: noise,
      stderr: noise,
      heart: noise,
    }),
  )
  .map(({ first, last: end, ...rest }) => ({
    ...rest,
    said: Buffer.concat([...first, ...end]),
    messages: 1 + first.length + end.length,
  }))
