import { z } from 'zod'
import { ulidPattern } from '../kernel/id.ts'
import { Tags } from '../kernel/tags.ts'

/**
 * What every model's config has. Extend it with the model's own options: `BaseConfig.extend({ n_lags: z.int().default(3) })`.
 * Keys that the schema does not name are accepted and kept.
 */
export const BaseConfig = z.looseObject({
  /** How many periods a prediction covers. */
  prediction_periods: z.int().default(3).meta({ title: 'Prediction Periods' }),
  /** Further columns that the model may use. */
  additional_continuous_covariates: z
    .array(z.string())
    .default([])
    .meta({ title: 'Additional Continuous Covariates' }),
})
export type BaseConfig = z.infer<typeof BaseConfig>
/** A config as it may be sent: what has a default can be left out. */
export type BaseConfigInput = z.input<typeof BaseConfig>

/** A config as a client sends it; `data` is checked against the service's own schema. */
export const ConfigIn = z.object({
  id: z
    .string()
    .regex(ulidPattern)
    .nullable()
    .optional()
    .meta({ description: 'ULID chosen by the client' }),
  tags: Tags.optional(),
  name: z.string().max(1000),
  data: z.record(z.string(), z.unknown()),
})
export type ConfigIn = z.infer<typeof ConfigIn>

/** A named configuration, as it is answered. */
export interface ConfigOut {
  id: string
  created_at: string
  updated_at: string
  tags: string[]
  name: string
  data: Record<string, unknown>
}
