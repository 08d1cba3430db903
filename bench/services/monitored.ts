import { MLServiceBuilder } from 'chapkit'
import mean from './mean.ts'

/** The mean model, monitored. */
const runner = mean.spec.runner!

export default new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'bench-monitored', display_name: 'Monitored', period_type: 'monthly' },
  runner,
})
  .withMonitoring()
  .build()
