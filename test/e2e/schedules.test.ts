import { expect, test } from 'vitest'
import { type RunningProcess, restart, startService, temporaryFolder, until } from './harness.ts'

interface Run {
  scheduled_at: string
  outcome: string
  job_id: string | null
  count: number
  first_scheduled_at: string | null
}

/** What became of the slots of a schedule, the oldest first. */
async function runsOf(service: RunningProcess, id: string): Promise<Run[]> {
  const { json } = await service.request('GET', `/api/v1/schedules/${id}/$runs`)
  return json.reverse()
}

const instant = (text: string) => Date.parse(text)

test('of a service that is killed again and again no slot is lost and none has two jobs', async () => {
  let service = await startService({ dataDir: temporaryFolder(), fixture: 'schedules' })
  const { json: schedules } = await service.request('GET', '/api/v1/schedules')
  const [each, punctual] = schedules as { id: string; trigger: { anchor: string } }[]
  if (!each || !punctual) throw new Error('no schedules')

  for (let round = 0; round < 4; round++) {
    const before = (await runsOf(service, each.id)).length
    await until('slots have come', async () => {
      const { length } = await runsOf(service, each.id)
      return length > before
    })
    await service.kill()
    service = await restart(service)
  }
  for (const { id } of [each, punctual]) {
    await service.request('POST', `/api/v1/schedules/${id}/$pause`)
  }

  const runs = (await runsOf(service, each.id)).sort(
    (a, b) => instant(a.scheduled_at) - instant(b.scheduled_at),
  )
  const slots = runs.map(({ scheduled_at }) => instant(scheduled_at))
  const first = instant(each.trigger.anchor) + 1000
  expect(slots).toEqual(slots.map((_, index) => first + index * 1000))
  expect(runs.every(({ outcome }) => ['submitted', 'queued'].includes(outcome))).toBe(true)

  // Of the other every slot is accounted for: it has a row, or is counted by one.
  const others = await runsOf(service, punctual.id)
  const accounted = others.flatMap(({ scheduled_at, first_scheduled_at, count }) => {
    const start = instant(first_scheduled_at ?? scheduled_at)
    return Array.from({ length: count }, (_, index) => start + index * 1000)
  })
  accounted.sort((a, b) => a - b)
  const begun = instant(punctual.trigger.anchor) + 1000
  expect(accounted).toEqual(accounted.map((_, index) => begun + index * 1000))

  const { json: jobs } = await service.request('GET', '/api/v1/jobs')
  const submitted = [...runs, ...others].flatMap(({ job_id }) => job_id ?? [])
  expect(new Set(submitted).size).toBe(submitted.length)
  expect(jobs.map(({ id }: { id: string }) => id).sort()).toEqual(submitted.sort())
})
