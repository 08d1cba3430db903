import type { Artifacts } from '../artifact/artifacts.ts'
import { manifestBytes, readManifest, zipSize } from '../artifact/manifest.ts'
import {
  type FileEntry,
  frameMediaType,
  isFileEntry,
  workspaceMediaType,
} from '../artifact/schema.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import type { Blobs } from '../blob/blobs.ts'
import type { Queries } from '../db/tables.ts'
import type { JobContext, JobHandler, JobOutcome } from '../job/dispatcher.ts'
import type { Claim } from '../job/jobs.ts'
import { untilStored } from '../job/until-stored.ts'
import type { Clocks } from '../kernel/clock.ts'
import type { CodeFile } from './code.ts'
import { atHorizon, toHorizonLineage } from './horizon.ts'
import type { PredictPayload, TrainPayload } from './ml.ts'
import { configFile, configYaml, csvEntry, fileEntry, findModel, modelFile } from './model-file.ts'
import type {
  BytesSource,
  ModelHosts,
  PredictResult,
  RunEvents,
  RunOutcome,
  TrainResult,
} from './run.ts'
import { createTrainings, runTimes } from './trainings.ts'

export interface RunsDeps {
  artifacts: Artifacts
  blobs: Blobs
  hosts: ModelHosts
  /** The service's own files, kept with every model it trains. */
  code: readonly CodeFile[]
  covariates: readonly string[]
  version: string
  clocks: Clocks
  newId: () => string
  /** Links a trained model to its config, in the transaction that stores it. */
  link: (tx: Queries, configId: string, artifactId: string) => Promise<void>
  /** Takes paths of this machine out of what clients will read. */
  redact: (text: string) => string
  onError: (error: unknown, event: string) => void
}

/** How long a job waits when the machine has no room for a model host. */
const noHostPauseMs = 2000

/** How many trainings are remembered for the predictions to come. */
const trainingsKept = 100

interface Training {
  config: Record<string, unknown>
  configId: string
  model: FileEntry
  /** The file of its config, and what that has as `prediction_periods`. */
  configFile: FileEntry | undefined
  periods: unknown
}

/** What the training of a model leaves for its predictions, and for whoever asks where a result came from. */
interface TrainingLineage {
  config: Record<string, unknown>
  horizon?: { prediction_periods: number }
  [key: string]: unknown
}

/** How train and predict jobs are run: inputs by hash into a model host, result and final state in one commit. */
export function createRuns(deps: RunsDeps): { train: JobHandler; predict: JobHandler } {
  const { artifacts, blobs, hosts, code, covariates, version, clocks, newId, link, redact } = deps
  const { onError } = deps

  const geoSource = async (hash: string | null): Promise<BytesSource | null> =>
    hash === null ? null : blobs.source(hash)

  /** The outcome of a run that has a result: a disk that cannot take it now does not make the model run again. */
  async function stored(
    context: JobContext,
    store: () => Promise<JobOutcome>,
  ): Promise<JobOutcome> {
    const outcome = await untilStored(store, {
      ...{ context, onError },
      maker: 'The model',
      afterStop: 'Free space before you stop it: after a stop the model runs again.',
    })
    return outcome ?? { status: 'aborted' }
  }

  /** Everything of a run that is not its result, as a job's outcome. */
  function toFailure(outcome: Exclude<RunOutcome, { status: 'done' }>): JobOutcome {
    if (outcome.status === 'no-host') return { status: 'retry', afterMs: noHostPauseMs }
    if (outcome.status !== 'failed') return outcome
    const { error, traceback } = outcome
    return { status: 'failed', error: redact(error), traceback: traceback && redact(traceback) }
  }

  const metadata = (configId: string, since: number) => ({
    status: 'success',
    ...runTimes(configId, since, clocks),
    exit_code: null,
    stdout: null,
    stderr: null,
  })

  /** The GeoJSON of a run as a file of its workspace, if it has one. */
  async function geoFile(geo: string | null): Promise<FileEntry[]> {
    return geo === null ? [] : [fileEntry('geo.json', { hash: geo, ...(await blobs.facts(geo)) })]
  }

  async function workspace(entries: FileEntry[]) {
    const staged = await blobs.stage(manifestBytes({ entries }))
    const size = await zipSize(entries)
    return { staged, kind: 'workspace' as const, type: workspaceMediaType, size }
  }

  async function train(claim: Claim, context: JobContext): Promise<JobOutcome> {
    const payload = claim.payload as unknown as TrainPayload
    const since = clocks.serviceTime()
    const config = atHorizon(payload.config, payload.horizon)
    const outcome = await hosts.run(
      {
        kind: 'train',
        config,
        geo: await geoSource(payload.geo),
        covariates,
        frames: { data: await blobs.source(payload.data) },
      },
      { signal: context.signal, events: toEvents(context) },
    )
    if (outcome.status !== 'done') return toFailure(outcome)
    const result = outcome.result as TrainResult
    return stored(context, () => trained(claim, { payload, since, config, result }))
  }

  interface Trained {
    payload: TrainPayload
    since: number
    config: Record<string, unknown>
    result: TrainResult
  }

  async function trained(
    claim: Claim,
    { payload, since, config, result }: Trained,
  ): Promise<JobOutcome> {
    const yaml = await blobs.stage(configYaml(config))
    const entries = [fileEntry(configFile, yaml), ...(await geoFile(payload.geo))]
    const keeps = [yaml]
    const model = await blobs.stage(result.model)
    entries.push(
      fileEntry(modelFile, model),
      csvEntry('data.csv', payload.data, result.inputs.data),
    )
    keeps.push(model)
    const codeFiles: { path: string; sha256: string }[] = []
    for (const { path, bytes } of code) {
      const file = await blobs.stage(bytes)
      codeFiles.push({ path, sha256: file.hash })
      keeps.push(file)
      // A file of the service with the name of one of the run's own is in the lineage only.
      if (!entries.some((entry) => entry.path === path)) entries.push(fileEntry(path, file))
    }
    const content = await workspace(entries)
    const lineage: TrainingLineage = {
      config_id: payload.configId,
      config: payload.config,
      ...toHorizonLineage(payload.horizon),
      inputs: { data: payload.data, ...(payload.geo !== null && { geo: payload.geo }) },
      code: codeFiles,
      model: model.hash,
      signature: { inputs: { data: result.inputs.data.fields }, output: null },
      metrics: result.metrics,
      chapkit_version: version,
    }
    const id = claim.artifactId ?? newId()
    return {
      status: 'completed',
      along: async (tx) => {
        await artifacts.insertMl(tx, {
          id,
          parentId: null,
          type: 'ml_training_workspace',
          metadata: metadata(payload.configId, since),
          content,
          keeps,
          refers: [payload.data, ...(payload.geo === null ? [] : [payload.geo])],
          lineage,
        })
        await link(tx, payload.configId, id)
      },
    }
  }

  const getTraining = createTrainings(artifacts, readTraining, trainingsKept)

  async function readTraining(row: ArtifactRow): Promise<Training> {
    const lineage = JSON.parse(row.lineage ?? '{}') as TrainingLineage
    const all = (await readManifest(blobs, row.content_hash ?? '')).filter(isFileEntry)
    const model = findModel(all)
    if (!model) throw new Error(`Training artifact ${row.id} has no model file in its workspace`)
    const { metadata: trained } = JSON.parse(row.data) as { metadata: { config_id: string } }
    const { config, horizon } = lineage
    return {
      ...{ config, configId: trained.config_id, model },
      configFile: all.find(({ path }) => path === configFile),
      periods: horizon?.prediction_periods ?? config.prediction_periods,
    }
  }

  /** The config of a prediction as a file: that of the training, where it says the same. */
  async function fileOf(training: Training, config: Record<string, unknown>) {
    if (training.configFile && training.periods === config.prediction_periods)
      return { entry: training.configFile, staged: null }
    const staged = await blobs.stage(configYaml(config))
    return { entry: fileEntry(configFile, staged), staged }
  }

  async function predict(claim: Claim, context: JobContext): Promise<JobOutcome> {
    const payload = claim.payload as unknown as PredictPayload
    const since = clocks.serviceTime()
    const training = await getTraining(payload.trainingId)
    const config = atHorizon(training.config, payload.horizon)
    const outcome = await hosts.run(
      {
        kind: 'predict',
        config,
        geo: await geoSource(payload.geo),
        covariates,
        frames: {
          historic: await blobs.source(payload.historic),
          future: await blobs.source(payload.future),
        },
        model: { key: training.model.sha256, source: await blobs.source(training.model.sha256) },
      },
      { signal: context.signal, events: toEvents(context) },
    )
    if (outcome.status !== 'done') return toFailure(outcome)
    const result = outcome.result as PredictResult
    return stored(context, () => predicted(claim, { payload, since, training, config, result }))
  }

  interface Predicted {
    payload: PredictPayload
    since: number
    training: Training
    config: Record<string, unknown>
    result: PredictResult
  }

  async function predicted(
    claim: Claim,
    { payload, since, training, config, result }: Predicted,
  ): Promise<JobOutcome> {
    const frame = await blobs.stage(result.frame)
    const yaml = await fileOf(training, config)
    const entries = [yaml.entry, training.model, ...(await geoFile(payload.geo))]
    entries.push(
      csvEntry('historic.csv', payload.historic, result.inputs.historic),
      csvEntry('future.csv', payload.future, result.inputs.future),
      csvEntry('predictions.csv', frame.hash, result.output),
    )
    const content = await workspace(entries)
    const inputs = {
      historic: payload.historic,
      future: payload.future,
      ...(payload.geo !== null && { geo: payload.geo }),
    }
    const id = claim.artifactId ?? newId()
    const shared = metadata(training.configId, since)
    return {
      status: 'completed',
      along: async (tx) => {
        await artifacts.insertMl(tx, {
          id,
          parentId: payload.trainingId,
          type: 'ml_prediction',
          metadata: shared,
          content: { staged: frame, kind: 'json', type: frameMediaType, size: null },
          keeps: [],
          refers: [],
          lineage: {
            config_id: training.configId,
            config: training.config,
            ...toHorizonLineage(payload.horizon),
            model: training.model.sha256,
            training: payload.trainingId,
            inputs,
            signature: {
              inputs: {
                historic: result.inputs.historic.fields,
                future: result.inputs.future.fields,
              },
              output: result.output.fields,
            },
            metrics: result.metrics,
            chapkit_version: version,
          },
        })
        await artifacts.insertMl(tx, {
          id: newId(),
          parentId: id,
          type: 'ml_prediction_workspace',
          metadata: shared,
          content,
          keeps: yaml.staged ? [frame, yaml.staged] : [frame],
          refers: [
            ...(yaml.staged ? [] : [yaml.entry.sha256]),
            ...[training.model.sha256, ...Object.values(inputs)],
          ],
          lineage: null,
        })
      },
    }
  }

  return { train, predict }
}

function toEvents({ log, progress }: JobContext): RunEvents {
  return {
    onLog: log,
    onProgress: (fraction, message) => progress({ fraction, message }),
    // Metrics come with the result; a run that fails has none worth keeping.
    onMetrics: () => {},
  }
}
