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
 * What a service with a model says about itself, in the order in which it says it. The keys are those of the contract; a service
 * adds none.
 */
export const MLServiceInfo = ServiceInfo.extend({
  model_metadata: ModelMetadata.prefault({}),
  /** Commit that the service was built from; null takes `GIT_REVISION`. chap-core stores no template without one. */
  git_revision: z.string().nullable().default(null),
  /** Version of chapkit; null takes the installed one. */
  chapkit_version: z.string().nullable().default(null),
  /** A name of the contract, for a library that only the Python chapkit is built on. */
  servicekit_version: z.string().nullable().default(null),
  /** `any` takes weeks and months. */
  period_type: z.enum(['weekly', 'monthly', 'any']),
  min_prediction_periods: z.int().default(0),
  max_prediction_periods: z.int().default(100),
  allow_free_additional_continuous_covariates: z.boolean().default(false),
  required_covariates: z.array(z.string()).readonly().default([]),
  requires_geo: z.boolean().default(false),
  /** Column that the model forecasts. */
  target: z.string().min(1).default('disease_cases'),
  /** Values to try when options are tuned, by name of the option; null leaves it to the tuner. */
  hpo_search_space: z.record(z.string(), z.unknown()).nullable().default(null),
})
export type MLServiceInfo = z.infer<typeof MLServiceInfo>
export type MLServiceInfoInput = z.input<typeof MLServiceInfo>

/** An info with what is known of its origin only when the service starts. What its author has set stays. */
export function withProvenance<Info extends ServiceInfo | MLServiceInfo>(
  info: Info,
  known: { gitRevision: string | null; version: string },
): Info {
  if (!('period_type' in info)) return info
  return {
    ...info,
    git_revision: info.git_revision || known.gitRevision,
    chapkit_version: info.chapkit_version ?? known.version,
  }
}

/** Whether a revision is a commit as chap-core takes it: 7 to 40 hexadecimal digits. */
export function isCommit(revision: string | null): boolean {
  return revision !== null && /^[0-9a-f]{7,40}$/i.test(revision.trim())
}

/** Periods of sample data: months, where the model takes anything. */
export function samplePeriod(info: { period_type?: string | undefined }): 'monthly' | 'weekly' {
  return info.period_type === 'weekly' ? 'weekly' : 'monthly'
}
