/**
 * Everything in one service: districts report cases, the service keeps them, trains a model of them every month, and is looked
 * after by keys, metrics, a health check and a page.
 */

import { statfs } from 'node:fs/promises'
import { MLServiceBuilder } from 'chapkit'
import { runner } from './model.ts'
import { reports, snapshotTag, toFrame } from './reports.ts'
import { retrain } from './retrain.ts'

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'district-reports',
    display_name: 'District reports',
    version: '1.0.0',
    description: 'Keeps what districts report, and forecasts the next months from it',
    period_type: 'monthly',
    min_prediction_periods: 1,
    max_prediction_periods: 12,
    model_metadata: {
      author: 'The chapkit project',
      author_note: 'An example that is meant to be read; nobody has tried it in practice.',
      author_assessed_status: 'orange',
      contact_email: 'models@example.org',
    },
  },
  runner,
})
  .withEntity(reports)
  .withRoutes((app, { entity, artifacts }) => {
    // A model and a task see no tables: what they are to read is stored as an artifact first.
    app.post(
      '/api/v1/reports/$snapshot',
      { config: { permission: 'report:read' } },
      async (_request, reply) => {
        const frame = toFrame(await entity(reports).list())
        const data = { type: 'generic', metadata: { rows: frame.length }, content: frame.toJson() }
        const { id } = await artifacts.create({ tags: [snapshotTag], data })
        return reply.code(201).send({ id, rows: frame.length })
      },
    )
  })
  .withTasks({
    functions: { retrain },
    shell: { room: { command: 'df -P .', timeoutSeconds: 10 } },
  })
  .withSchedules({
    monthly: {
      task: 'retrain',
      cron: '0 4 5 * *',
      zone: 'Africa/Nairobi',
      // Down on the fifth of the month: once it is back, one training is enough.
      misfire: 'once',
      misfireGraceSeconds: 3600,
      overlap: 'skip',
    },
    room: { task: 'room', every: 'PT6H', misfire: 'skip' },
  })
  .withHealthCheck('room', async () => {
    const { bavail, blocks } = await statfs('.')
    const free = Math.round((100 * bavail) / blocks)
    return free >= 10
      ? { state: 'healthy' }
      : { state: 'degraded', message: `${free} % of the disk are free; expected at least 10 %` }
  })
  .withAuth()
  .withMonitoring()
  .withRegistration()
  .withCors(['https://dashboard.example.org'])
  .withApp('app')
  .build()

export default service

if (import.meta.main) await service.listen()
