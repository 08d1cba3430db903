import { FunctionalModelRunner, MLServiceBuilder } from '../../src/index.ts'

/** A service with all that a service can have: its description is what the reference of the HTTP API is made from. */
export function everything() {
  const runner = new FunctionalModelRunner({
    onTrain: () => ({}),
    onPredict: ({ future }) => future.derive('sample_0', () => 0),
  })
  const info = { id: 'forecast', display_name: 'Forecast', period_type: 'monthly' } as const
  return new MLServiceBuilder({ info, runner }).withMonitoring().withTasks().withSchedules().build()
}
