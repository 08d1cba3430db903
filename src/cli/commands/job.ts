import { nameJob } from '../../client/job-record.ts'
import type { JobRecord, JobStatus, LogLine } from '../../job/schema.ts'
import { exit } from '../exit.ts'
import { describeJob, findJob } from '../find.ts'
import { followJob, toFailure } from '../follow-job.ts'
import type { Output } from '../output.ts'
import { print } from '../print.ts'
import { type RemoteOptions, withRemote } from '../remote.ts'
import { toText } from '../table.ts'

export interface JobListOptions extends RemoteOptions {
  status?: JobStatus
  type?: string
  limit: number
}

/** Prints the newest jobs of a service. */
export async function jobList(options: JobListOptions): Promise<number> {
  return withRemote(options, async ({ client, output, command }) => {
    const { status, type, limit } = options
    const jobs: JobRecord[] = []
    for await (const job of client.jobs.iterate({ status, type }, { size: Math.min(limit, 100) })) {
      jobs.push(job)
      if (jobs.length === limit) break
    }
    output.result(jobs, () =>
      jobs.length === 0
        ? `No jobs${status || type ? ' of that kind' : ' yet'}. ${command('train DATA.csv')} makes one`
        : output.table(
            [
              { title: 'id' },
              { title: 'type' },
              { title: 'state' },
              { title: 'submitted' },
              { title: 'took', align: 'right' },
            ],
            jobs.map((job) => [
              ...[job.id, job.type, describeJob(job)],
              ...[job.submitted_at.slice(0, 16).replace('T', ' '), duration(job)],
            ]),
          ),
    )
    return exit.ok
  })
}

function duration({ started_at, finished_at }: JobRecord): string {
  if (started_at === null || finished_at === null) return ''
  return `${((Date.parse(finished_at) - Date.parse(started_at)) / 1000).toFixed(1)} s`
}

export interface JobWatchOptions extends RemoteOptions {
  logs?: boolean
}

/** Follows a job to its end, and ends as it does. */
export async function jobWatch(wanted: string, options: JobWatchOptions): Promise<number> {
  return withRemote(options, async (remote) => {
    const { output } = remote
    const id = await findJob(remote, wanted)
    const logs = options.logs ?? false
    const job = await followJob(remote, id, {
      title: `job ${id}`,
      logs,
      // Each change is a line for programs; people see the bar.
      ...(output.json && { onRecord: (record) => output.part(record, () => '') }),
    })
    if (job.status !== 'completed') throw await toFailure(remote, job, logs)
    if (!output.json) print(describeEnd(job))
    return exit.ok
  })
}

function describeEnd(job: JobRecord): string {
  const made = job.artifact_id === null ? '' : ` and made ${job.artifact_id}`
  return `The ${nameJob(job)} completed in ${duration(job)}${made}`
}

export interface JobLogsOptions extends RemoteOptions {
  follow?: boolean
}

/** Prints what a job has said, and with `follow` what it says from now on. */
export async function jobLogs(wanted: string, options: JobLogsOptions): Promise<number> {
  return withRemote(options, async (remote) => {
    const { client, output } = remote
    const id = await findJob(remote, wanted)
    if (options.follow) {
      for await (const line of client.jobs.followLogs(id)) printLine(output, line)
      return exit.ok
    }
    let after = 0
    for (;;) {
      const { items, next } = await client.jobs.logs(id, { after })
      for (const line of items) printLine(output, line)
      if (items.length === 0 || next === after) return exit.ok
      after = next
    }
  })
}

function printLine(output: Output, line: LogLine) {
  output.part(line, () => {
    const text = toText(line.line)
    return line.stream === 'stderr' ? output.paint('yellow', text) : text
  })
}

/** Stops a job. */
export async function jobCancel(wanted: string, options: RemoteOptions): Promise<number> {
  return withRemote(options, async (remote) => {
    const { client, output, command } = remote
    const id = await findJob(remote, wanted)
    const job = await client.jobs.cancel(id)
    output.result(job, () =>
      job.status === 'canceled'
        ? `Canceled the ${nameJob(job)}`
        : `The ${nameJob(job)} was told to stop; see ${command(`job watch ${id}`)}`,
    )
    return exit.ok
  })
}
