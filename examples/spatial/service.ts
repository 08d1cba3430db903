import {
  BaseConfig,
  type DataFrame,
  type Diagnostic,
  type FeatureCollection,
  MLServiceBuilder,
  ShellModelRunner,
} from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({
  smoothing: z
    .number()
    .min(0)
    .max(10_000)
    .default(12)
    .describe('Periods of its own until a location weighs as much as its neighbours'),
  n_samples: z.int().min(1).max(1000).default(100).describe('Samples for each row'),
  seed: z.int().min(0).default(1).describe('Equal seeds give equal samples'),
})

const runner = new ShellModelRunner({
  config: Config,
  trainCommand: 'python3 train.py {data_file} {geo_file}',
  predictCommand: 'python3 predict.py {future_file} {output_file} {geo_file}',
  timeoutSeconds: 600,
  onValidateTrain: ({ data, geo }) => checkGeometries(data, geo),
})

/** Every location of the data needs a place on the map. */
function checkGeometries(data: DataFrame, geo: FeatureCollection | null): Diagnostic[] {
  const finding = (code: string, message: string): Diagnostic => ({
    ...{ severity: 'error', code, message, field: 'geo' },
  })
  if (geo === null)
    return [finding('geometry_missing', 'Expected GeoJSON with the polygon of each location')]
  if (!data.has('location')) return []
  const places = new Set(
    geo.features
      .filter(({ geometry }) => geometry !== null)
      .map(({ properties, id }) => String(properties?.id ?? id)),
  )
  const missing = data.unique('location').filter((name) => !places.has(String(name)))
  if (missing.length === 0) return []
  const named = missing.slice(0, 5).join(', ')
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : ''
  return [
    finding(
      'geometry_missing',
      `Expected a feature with a geometry and the location as properties.id for each location; missing: ${named}${more}`,
    ),
  ]
}

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'neighbours-python',
    display_name: 'Rates of neighbours',
    version: '1.0.0',
    description: 'Rates of locations, drawn towards those of their neighbours on the map',
    period_type: 'monthly',
    min_prediction_periods: 1,
    max_prediction_periods: 24,
    required_covariates: ['population'],
    requires_geo: true,
    model_metadata: {
      author: 'The chapkit project',
      author_note: 'An example that is meant to be read; nobody has tried it in practice.',
      author_assessed_status: 'orange',
    },
  },
  runner,
}).build()

export default service
if (import.meta.main) await service.listen()
