/** Trains on the newest table of reports, with the newest config. */

import { defineTask } from 'chapkit'
import { z } from 'zod'
import { snapshotTag } from './reports.ts'

export const retrain = defineTask({
  parameters: z.object({
    min_rows: z.int().min(1).default(12).describe('With fewer reports nothing is trained'),
  }),
  retries: { attempts: 3, delaySeconds: 60 },
  timeoutSeconds: 3600,
  run: async ({ parameters, configs, artifacts, jobs, ml, log, progress }) => {
    const snapshot = (await artifacts.list({ tag: snapshotTag })).at(-1)
    if (!snapshot) return { trained: null, reason: 'there is no table of reports yet' }
    const data = await artifacts.frame(snapshot.id)
    if (data.length < parameters.min_rows)
      return { trained: null, reason: `${data.length} reports are too few` }

    const config =
      (await configs.list()).at(-1) ?? (await configs.create({ name: 'default', data: {} }))
    progress(0.2, `training on ${data.length} reports`)
    const { jobId, artifactId } = await ml.train({ configId: config.id, data })
    const job = await jobs.wait(jobId)
    if (job.status !== 'completed') throw new Error(`The training is ${job.status}: ${job.error}`)
    log(`trained ${artifactId} with the config "${config.name}"`)
    return { trained: artifactId, snapshot: snapshot.id, reports: data.length }
  },
})
