import { isFinal, type JobRecord, type LogLine } from '../job/schema.ts'
import { ChapkitClientError } from './errors.ts'
import { toJobRecord } from './job-record.ts'
import { patiently, streamEvents, type WatchOptions } from './patience.ts'
import type { Transport } from './transport.ts'

const pollMs = { first: 250, longest: 5_000 }
const pageSize = 1000

/** The record of a job, at once and on each change, until it has ended. `path` is that of the job. */
export async function* followRecord(
  transport: Transport,
  path: string,
  options: WatchOptions = {},
): AsyncGenerator<JobRecord, void> {
  // A change is told at once here. The Python chapkit tells it when this has passed.
  const query = { poll_interval: 1 }
  let last = ''

  const records = patiently(transport, options, async function* (alive, { polls, retries }) {
    const call = { ...options, retries }
    const texts = polls
      ? pollRecord(transport, path, call)
      : streamEvents(transport, { ...call, path: `${path}/$stream`, query }, 'at once')
    for await (const text of texts) {
      alive()
      const answered = JSON.parse(text) as JobRecord
      if (!('id' in answered)) throw deleted(path)
      const record = toJobRecord(answered)
      if (text !== last) yield record
      last = text
      if (isFinal(record.status)) return true
    }
    return false
  })
  try {
    yield* records
  } catch (thrown) {
    // It was there before: whoever waits for it is told that it is gone, not that it never was.
    throw isGone(thrown) && last !== '' ? deleted(path) : thrown
  }
}

async function* pollRecord(
  transport: Transport,
  path: string,
  options: WatchOptions,
): AsyncGenerator<string, void> {
  let last = ''
  let pause = pollMs.first
  for (;;) {
    const text = JSON.stringify(await transport.json<JobRecord>({ ...options, path }))
    pause = text === last ? Math.min(pause * 2, pollMs.longest) : pollMs.first
    last = text
    yield text
    await transport.wait(pause, options.signal)
  }
}

/** Each line of a job's log behind `after`, as it is written, until the job ends. */
export function followLog(
  transport: Transport,
  path: string,
  { after: start = 0, ...options }: WatchOptions & { after?: number } = {},
): AsyncGenerator<LogLine, void> {
  let after = start

  return patiently(transport, options, async function* (alive, { polls, retries }) {
    const call = { ...options, retries }
    if (!polls) {
      const stream = { ...call, path: `${path}/$logs`, query: { after } }
      for await (const text of streamEvents(transport, stream)) {
        alive()
        const line = JSON.parse(text) as LogLine
        after = line.seq
        yield line
      }
    }
    // The stream ends with the job, or with the service. What was written in between is in the pages.
    for (;;) {
      const ended = await hasEnded(transport, { ...call, path })
      alive()
      for (;;) {
        const query = { after, limit: pageSize }
        const { items } = await transport.json<{ items: LogLine[] }>({
          ...call,
          path: `${path}/$logs`,
          query,
        })
        yield* items
        after = items.at(-1)?.seq ?? after
        if (items.length < pageSize) break
      }
      if (ended) return true
      if (!polls) return false
      await transport.wait(1000, options.signal)
    }
  })
}

async function hasEnded(
  transport: Transport,
  call: Parameters<Transport['json']>[0],
): Promise<boolean> {
  return isFinal((await transport.json<JobRecord>(call)).status)
}

const isGone = (thrown: unknown) =>
  thrown instanceof ChapkitClientError && thrown.code === 'not-found'

function deleted(path: string): ChapkitClientError {
  const id = path.slice(path.lastIndexOf('/') + 1)
  return new ChapkitClientError('job-deleted', `The job ${id} was deleted before it had ended`)
}
