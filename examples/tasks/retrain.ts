/** Trains on the newest data, and takes the new model only when it is not worse than the one in use. */

import { defineTask } from 'chapkit'
import { z } from 'zod'

/** Tag of the artifacts that say which model is in use. */
const champion = 'champion'

interface Champion {
  model: string
  mae: number
}

export const retrain = defineTask({
  parameters: z.object({
    tag: z.string().default('surveillance').describe('Tag of the artifacts with data'),
    tolerance: z
      .number()
      .min(0)
      .default(0.1)
      .describe('How much worse a new model may be: 0.1 is 10 %'),
  }),
  retries: { attempts: 3, delaySeconds: 60 },
  timeoutSeconds: 3600,
  run: async ({ parameters: { tag, tolerance }, configs, artifacts, jobs, ml, log, progress }) => {
    const config = (await configs.list()).at(-1)
    if (!config) throw new Error('There is no config yet; create one first')
    const source = (await artifacts.list({ tag })).at(-1)
    if (!source) throw new Error(`There is no artifact with the tag "${tag}"; store data first`)
    const data = await artifacts.frame(source.id)

    progress(0.2, `training on ${data.length} rows`)
    const { jobId, artifactId } = await ml.train({ configId: config.id, data })
    const job = await jobs.wait(jobId)
    if (job.status !== 'completed') throw new Error(`The training is ${job.status}: ${job.error}`)

    progress(0.9, 'comparing')
    const { mae } = (await artifacts.lineage(artifactId)).metrics as { mae: number }
    const inUse = (await artifacts.list({ tag: champion })).at(-1)?.data as Champion | undefined
    const accepted = inUse === undefined || mae <= inUse.mae * (1 + tolerance)
    log(
      `error ${mae.toFixed(2)}, before ${inUse?.mae.toFixed(2) ?? 'none'}: ${accepted ? 'taken' : 'left'}`,
    )
    if (accepted) await artifacts.create({ tags: [champion], data: { model: artifactId, mae } })
    return { model: artifactId, mae, accepted, in_use: accepted ? artifactId : inUse.model }
  },
})
