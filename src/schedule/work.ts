import type { Jobs } from '../job/jobs.ts'
import type { JobRecord } from '../job/schema.ts'
import type { SubmittedTask, Tasks } from '../task/tasks.ts'
import type { ScheduledWork } from './runs.ts'
import type { ScheduledTasks } from './schedules.ts'

/** Tasks and their jobs as schedules see them. */
export function toScheduledTasks({ tasks, jobs }: { tasks: Tasks; jobs: Jobs }): ScheduledTasks {
  const work: ScheduledWork<SubmittedTask, JobRecord> = {
    submit: tasks.submit,
    announce: tasks.announce,
    isActive: jobs.isActive,
    cancel: jobs.cancelIn,
    tellCanceled: jobs.tellCanceled,
  }
  return {
    ...(work as ScheduledWork),
    check: tasks.check,
    async findDeclared(name) {
      const all = await tasks.list({}, { kind: 'all' })
      return all.find((task) => task.declared && task.name === name)?.id
    },
  }
}
