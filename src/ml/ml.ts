import { randomInt } from 'node:crypto'
import type { Artifacts } from '../artifact/artifacts.ts'
import type { Blobs } from '../blob/blobs.ts'
import type { Configs } from '../config/configs.ts'
import { generateSample, type SampleOptions, sampleCells } from '../data/sample.ts'
import type { FrameJson } from '../data/schema.ts'
import type { Along } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError, validationError } from '../errors.ts'
import type { Jobs } from '../job/jobs.ts'
import type { JobRecord } from '../job/schema.ts'
import { additionalCovariates } from './covariates.ts'
import { clampHorizon, type Horizon } from './horizon.ts'
import type { MLServiceInfo } from './info.ts'
import type { Intake, PredictIntake, TakenBytes, TrainIntake } from './intake.ts'
import type { Diagnostic } from './runner.ts'
import { columnFindings, hasError, hookFailure, toRefusal, type Validation } from './validate.ts'

/** Cells that one sample may have. */
export const maximumSampleCells = 200_000

export interface MlDeps {
  configs: Configs
  artifacts: Artifacts
  validation: Validation
  jobs: Jobs
  blobs: Blobs
  info: MLServiceInfo
  newId: () => string
  /** Writes a line of the log. */
  log: (fields: Record<string, unknown>, message: string) => void
}

/** Payload of a train job: everything by hash, nothing by reference to what may change. */
export interface TrainPayload {
  configId: string
  config: Record<string, unknown>
  data: string
  geo: string | null
  /** How many periods to forecast; absent in jobs of versions that did not resolve it. */
  horizon?: Horizon | null
}

export interface PredictPayload {
  trainingId: string
  historic: string
  future: string
  geo: string | null
  horizon?: Horizon | null
}

export interface Submitted {
  jobId: string
  artifactId: string
}

export type Ml = ReturnType<typeof createMl>

/** Trainings and predictions: checked at submit, run as durable jobs. */
export function createMl({
  configs,
  artifacts,
  validation,
  jobs,
  blobs,
  info,
  newId,
  log,
}: MlDeps) {
  async function prepare(intake: Intake) {
    const { diagnostics, prepared } = await validation
      .validate(intake, { thorough: false })
      .catch(rethrowHook)
    const refusal = toRefusal(diagnostics)
    if (refusal) throw refusal
    if (!prepared)
      throw new ChapkitError('internal', 'The request was neither refused nor prepared')
    return prepared
  }

  async function submit(
    type: 'train' | 'predict',
    horizon: Horizon | null,
    subjectId: string,
    toPayload: (geo: string | null) => object,
    inputs: (TakenBytes | null)[],
    assertThere: (tx: Queries) => Promise<unknown>,
    along?: Along<Submitted>,
  ): Promise<Submitted> {
    const staged = await Promise.all(inputs.filter((each) => each !== null).map(blobs.stageHashed))
    const submitted: Submitted = { jobId: newId(), artifactId: newId() }
    await jobs.submit(
      {
        id: submitted.jobId,
        type,
        payload: JSON.parse(JSON.stringify(toPayload(inputs.at(-1)?.hash ?? null))),
        subjectId,
        artifactId: submitted.artifactId,
        blobs: staged,
      },
      async (tx) => {
        // It was there when the request was checked; since then somebody may have deleted it.
        await assertThere(tx)
        await along?.(tx, submitted)
      },
    )
    if (horizon !== null) {
      const { periods, source } = horizon
      log(
        {
          ...{ event: 'ml.horizon', job_id: submitted.jobId, type },
          ...{ prediction_periods: periods, source },
        },
        `${type} for ${periods} periods, from ${source}`,
      )
    }
    return submitted
  }

  return {
    /** Submits a training. It is stored, with its inputs, when this resolves. */
    async train(intake: TrainIntake, along?: Along<Submitted>): Promise<Submitted> {
      const { config, configId, horizon } = await prepare(intake)
      const data = intake.data.hash
      return submit(
        'train',
        horizon,
        configId,
        (geo): TrainPayload => ({ configId, config, data, geo, horizon }),
        [intake.data, intake.geo],
        (tx) => configs.get(configId, tx),
        along,
      )
    },

    /** Submits a prediction with a trained model. */
    async predict(intake: PredictIntake, along?: Along<Submitted>): Promise<Submitted> {
      const { horizon } = await prepare(intake)
      const { artifactId: trainingId, historic, future } = intake
      return submit(
        'predict',
        horizon,
        trainingId,
        (geo): PredictPayload => ({
          trainingId,
          historic: historic.hash,
          future: future.hash,
          geo,
          horizon,
        }),
        [historic, future, intake.geo],
        (tx) => artifacts.assertThere(tx, trainingId),
        along,
      )
    },

    /** Throws 429 when the queue is full: there is no use in looking at a request then. */
    assertRoom: (type: 'train' | 'predict'): Promise<void> => jobs.assertRoom(type),

    /** All findings. What columns hold is one of them, though it is found while the request is taken in. */
    async validate(taken: Promise<Intake>): Promise<{ valid: boolean; diagnostics: Diagnostic[] }> {
      let intake: Intake
      try {
        intake = await taken
      } catch (error) {
        const diagnostics = columnFindings(error)
        if (diagnostics === null) throw error
        return { valid: false, diagnostics }
      }
      const { diagnostics } = await validation
        .validate(intake, { thorough: true })
        .catch(rethrowHook)
      return { valid: !hasError(diagnostics), diagnostics }
    },

    /**
     * Plausible data in the shape of this service's requests: with the covariates of the config, if one is named, and a future
     * that the service takes. Throws 404 for an unknown config, 422 when it would be too much.
     */
    async sample({
      configId,
      ...options
    }: Omit<SampleOptions, 'requiredCovariates' | 'futurePeriods'> & { configId: string | null }) {
      const config = configId === null ? null : await configs.get(configId)
      const whole = {
        ...options,
        futurePeriods: clampHorizon(options.numPeriods, info),
        requiredCovariates: [...info.required_covariates, ...additionalCovariates(config?.data)],
        seed: options.seed < 0 ? randomInt(2 ** 31) : options.seed,
      }
      // Columns cost without rows too, and periods without locations.
      const cells = sampleCells({ ...whole, numLocations: Math.max(1, whole.numLocations) })
      if (cells > maximumSampleCells) {
        throw validationError([
          {
            loc: ['query', 'num_locations'],
            msg: `Expected at most ${maximumSampleCells} cells, got ${cells}; ask for fewer locations, periods or features`,
            type: 'too_many_cells',
          },
        ])
      }
      return generateSample(whole) as
        | { data: FrameJson; geo?: unknown }
        | { historic: FrameJson; future: FrameJson; geo?: unknown }
    },

    /** Waits for a submitted job, for a client that would rather have the answer than a promise of it. */
    waitFor: (
      jobId: string,
      milliseconds: number,
      signal?: AbortSignal,
    ): Promise<JobRecord | undefined> => jobs.waitFor(jobId, milliseconds, signal),
  }
}

function rethrowHook(thrown: unknown): never {
  throw thrown instanceof ChapkitError ? thrown : hookFailure(thrown)
}
