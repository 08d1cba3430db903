import type { Page } from '../kernel/page.ts'
import type { ScheduleIn, ScheduleOut, ScheduleRun } from '../schedule/schema.ts'
import { type Collection, createCollection, iterateByKey, readPage, segment } from './collection.ts'
import type { CallOptions, CreateOptions, Transport } from './transport.ts'

/** Tasks at set times. */
export interface SchedulesClient extends Collection<ScheduleOut, ScheduleIn> {
  /** The next slots, in order, also of one that is paused: `count` of them (5 by default), fewer when there are no more. */
  next(id: string, count?: number, options?: CallOptions): Promise<string[]>
  /** What became of the slots, newest first. */
  runs(id: string, options?: CallOptions): Promise<ScheduleRun[]>
  runsPage(
    id: string,
    page: number,
    size: number,
    options?: CallOptions,
  ): Promise<Page<ScheduleRun>>
  /** What became of the slots, newest first, `size` (100 by default) at a time. */
  iterateRuns(
    id: string,
    options?: CallOptions & { size?: number },
  ): AsyncGenerator<ScheduleRun, void>
  /** Leaves out the slots to come until it is resumed. */
  pause(id: string, options?: CallOptions): Promise<ScheduleOut>
  resume(id: string, options?: CallOptions): Promise<ScheduleOut>
  /** Runs it now, besides its slots; `job_id` is there to wait for. */
  trigger(id: string, options?: CreateOptions): Promise<ScheduleRun>
}

/** Comes behind every id, and so before all runs, of which the newest is first. */
const lastId = `7${'Z'.repeat(25)}`

export function createSchedules(transport: Transport, prefix: string): SchedulesClient {
  const at = (id: string, operation: string) => `${prefix}/${segment(id)}/${operation}`
  const switched = (operation: string) => (id: string, options?: CallOptions) =>
    transport.json<ScheduleOut>({
      ...options,
      method: 'POST',
      path: at(id, operation),
      repeatable: true,
    })

  return {
    ...createCollection<ScheduleOut, ScheduleIn>(transport, prefix),
    async next(id, count, options) {
      const call = { ...options, path: at(id, '$next'), query: { count } }
      return (await transport.json<{ items: string[] }>(call)).items
    },
    runs: (id, options) => transport.json<ScheduleRun[]>({ ...options, path: at(id, '$runs') }),
    runsPage: (id, page, size, options) =>
      readPage<ScheduleRun>(transport, at(id, '$runs'), { page, size }, options),
    iterateRuns: (id, options) =>
      iterateByKey<ScheduleRun>(transport, at(id, '$runs'), lastId, options),
    pause: switched('$pause'),
    resume: switched('$resume'),
    trigger: (id, options) =>
      transport.json<ScheduleRun>({
        ...options,
        method: 'POST',
        path: at(id, '$trigger'),
        creates: true,
      }),
  }
}
