import type { Metric, Registry } from 'prom-client'
import type { Meters } from './meters.ts'
import { families } from './schema.ts'

/** What `Content-Type` says of the text format of Prometheus. */
export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** The numbers in the text format. What writes it is loaded with the first text, not with the service. */
export async function toText(meters: Meters): Promise<string> {
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  for (const { name, samples } of meters.read()) {
    const { type, help } = families[name]
    const values = samples.map(({ name: metricName, labels, value }) => ({
      metricName,
      labels,
      value,
    }))
    register(registry, { name, help, type, values })
  }
  return registry.metrics()
}

/** The registry asks no more of a metric than its name and what it is now. */
function register(registry: Registry, metric: { name: string; [fact: string]: unknown }): void {
  registry.registerMetric({ name: metric.name, get: async () => metric } as unknown as Metric)
}
