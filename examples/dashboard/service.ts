/**
 * A model with a page of its own: the mean of what was, and a list of its jobs at `/dashboard/`.
 */

import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'

const runner = new FunctionalModelRunner({
  onTrain({ data }) {
    const known = data.numbers('disease_cases').filter((cases) => !Number.isNaN(cases))
    return { mean: known.reduce((sum, cases) => sum + cases, 0) / Math.max(1, known.length) }
  },
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.mean),
})

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'mean-with-dashboard', display_name: 'Mean', period_type: 'monthly' },
  runner,
})
  .withApp('app')
  .build()

export default service

if (import.meta.main) await service.listen()
