import { csvFacts, type FrameJson, withSchema } from '../data/index.ts'
import type { FrameFacts } from './run.ts'

/** What is kept of a frame besides its bytes. `covariates` are the service's own, for the types of its columns. */
export function factsOf(frame: FrameJson, covariates: readonly string[]): FrameFacts {
  const typed = withSchema(frame, { covariates: [...covariates] })
  return { rows: frame.data.length, csv: csvFacts(frame), fields: typed.schema?.fields ?? [] }
}
