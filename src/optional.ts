/*
 * Parts that many services do without. Those that have them load them at their start; the others start sooner and stay smaller.
 */

export const loadScripts = () => import('./script/scripts.ts')

export async function loadTasks() {
  const [{ createTasks }, { createTaskRuns }, { createServe }, { taskRoutes }] = await Promise.all([
    import('./task/tasks.ts'),
    import('./task/runs.ts'),
    import('./task/serve.ts'),
    import('./task/routes.ts'),
  ])
  return { createTasks, createTaskRuns, createServe, taskRoutes }
}

export async function loadSchedules() {
  const [{ createSchedules }, { createTicker }, { toScheduledTasks }, { scheduleRoutes }] =
    await Promise.all([
      import('./schedule/schedules.ts'),
      import('./schedule/ticker.ts'),
      import('./schedule/work.ts'),
      import('./schedule/routes.ts'),
    ])
  return { createSchedules, createTicker, toScheduledTasks, scheduleRoutes }
}
