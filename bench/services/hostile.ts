import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({
  does: z.enum(['mean', 'computes', 'objects', 'buffers', 'throws', 'prints', 'never']),
  seconds: z.number().min(0).max(60).default(10),
  /** What is printed in all. */
  megabytes: z.int().min(1).default(1024),
})
type Config = z.infer<typeof Config>

/** A model that does to its service what its config says. */
const runner = new FunctionalModelRunner<Config, { mean: number }>({
  config: Config,
  onTrain: async ({ config, data }) => {
    switch (config.does) {
      case 'mean':
        break
      case 'computes':
        burn(config.seconds)
        break
      case 'objects':
        return hoard(() => Array.from({ length: 10_000 }, (_, at) => ({ at })))
      case 'buffers':
        return hoard(() => new Uint8Array(2 ** 24).fill(1))
      case 'throws':
        throw new RangeError('there is no rain')
      case 'prints':
        print(config.megabytes)
        break
      case 'never':
        await new Promise(() => {})
    }
    return {
      mean: data.numbers('disease_cases').reduce((sum, each) => sum + each, 0) / data.length,
    }
  },
  onPredict: ({ model, future }) =>
    future
      .select(['time_period', 'location'])
      .withColumn('sample_0', new Float64Array(future.length).fill(model.mean)),
})

function burn(seconds: number): void {
  const end = performance.now() + seconds * 1000
  while (performance.now() < end)
    Array.from({ length: 2000 }, (_, at) => ({ at, root: Math.sqrt(at) }))
}

function hoard(make: () => unknown): never {
  const held: unknown[] = []
  for (;;) held.push(make())
}

function print(megabytes: number): void {
  const lines = `${'x'.repeat(63)}\n`.repeat(2 ** 14)
  for (let written = 0; written < megabytes; written++) process.stdout.write(lines)
}

export default new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'bench-hostile', display_name: 'Hostile', period_type: 'monthly' },
  runner,
}).build()
