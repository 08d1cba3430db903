import type { Client } from '../client/index.ts'
import { nameJob } from '../client/job-record.ts'
import type { JobRecord, LogLine } from '../job/schema.ts'
import { CommandError, exit } from './exit.ts'
import type { Remote } from './remote.ts'
import { toText } from './table.ts'

export interface FollowOptions {
  /** What is shown beside the bar, such as `training`. */
  title: string
  /** Whether the lines of the log are shown as they are written. */
  logs?: boolean
  onRecord?: (job: JobRecord) => void
}

/** Waits for a job and shows how far it is. Ctrl-C leaves the job alone and says how to get back to it. */
export async function followJob(
  remote: Remote,
  id: string,
  { title, logs = false, onRecord }: FollowOptions,
): Promise<JobRecord> {
  const { client, output, command } = remote
  remote.ifInterrupted(
    `the job goes on. See it with ${command(`job watch ${id}`)}, stop it with ${command(`job cancel ${id}`)}`,
  )
  const progress = output.progress(title)
  try {
    const ended = await client.jobs.wait(id, {
      mustComplete: false,
      ...(logs && { onLog: (line: LogLine) => progress.line(toText(line.line)) }),
      onProgress(job) {
        const { fraction = null, message = null } = job.progress ?? {}
        progress.update({
          done: fraction,
          text: job.status === 'pending' ? 'waiting for its turn' : (message ?? ''),
        })
        onRecord?.(job)
      },
    })
    remote.ifInterrupted(null)
    return ended
  } finally {
    progress.end()
  }
}

/** The end of a job that did not complete, with the last of what its model said. */
export async function toFailure(
  remote: Remote,
  job: JobRecord,
  shown: boolean,
): Promise<CommandError> {
  if (job.status === 'canceled') return new CommandError(`The ${nameJob(job)} was canceled`)
  // Null where the log cannot be read, say of a service that keeps none.
  const last = shown ? [] : await lastLines(remote.client, job.id).catch(() => null)
  const said = (last ?? []).map((line) => `\n  ${toText(line)}`).join('')
  const more = last === null ? '' : `\nAll of its log: ${remote.command(`job logs ${job.id}`)}`
  return new CommandError(
    `The ${nameJob(job)} failed: ${toText(job.error ?? 'no reason was given')}${said}${more}`,
    exit.failed,
  )
}

const lastCount = 10
/** Longer logs are not read to their end for their last lines. */
const maximumPages = 50

async function lastLines(client: Client, id: string): Promise<string[]> {
  let lines: LogLine[] = []
  let after = 0
  for (let page = 0; page < maximumPages; page++) {
    const { items, next } = await client.jobs.logs(id, { after })
    lines = [...lines, ...items].slice(-lastCount)
    if (items.length === 0 || next === after) break
    after = next
  }
  return lines.map(({ line }) => line)
}
