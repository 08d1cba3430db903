import { z } from 'zod'

/** What a service without a model says about itself. */
export const ServiceInfo = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'Expected a slug such as `dengue-forecast`'),
  display_name: z.string().min(1),
  version: z.string().default('1.0.0'),
  description: z.string().nullable().default(null),
})
export type ServiceInfo = z.infer<typeof ServiceInfo>
export type ServiceInfoInput = z.input<typeof ServiceInfo>

export const ModelMetadata = z.strictObject({
  author: z.string().nullable().default(null),
  author_note: z.string().nullable().default(null),
  author_assessed_status: z
    .enum(['gray', 'red', 'orange', 'yellow', 'green'])
    .nullable()
    .default(null),
  contact_email: z.email().nullable().default(null),
  organization: z.string().nullable().default(null),
  organization_logo_url: z.url().nullable().default(null),
  citation_info: z.string().nullable().default(null),
  repository_url: z.url().nullable().default(null),
  documentation_url: z.url().nullable().default(null),
})

/**
 * What a service with a model says about itself. The keys are those that existing clients know; they refuse others, so a
 * service adds none.
 */
export const MLServiceInfo = ServiceInfo.extend({
  model_metadata: ModelMetadata.prefault({}),
  period_type: z.enum(['weekly', 'monthly']),
  min_prediction_periods: z.int().default(0),
  max_prediction_periods: z.int().default(100),
  allow_free_additional_continuous_covariates: z.boolean().default(false),
  required_covariates: z.array(z.string()).readonly().default([]),
  requires_geo: z.boolean().default(false),
})
export type MLServiceInfo = z.infer<typeof MLServiceInfo>
export type MLServiceInfoInput = z.input<typeof MLServiceInfo>
