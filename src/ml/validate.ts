import { createHash } from 'node:crypto'
import type { Artifacts } from '../artifact/artifacts.ts'
import { readJsonInSlices } from '../artifact/json-slices.ts'
import { readManifest } from '../artifact/manifest.ts'
import type { ManifestEntry } from '../artifact/schema.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import type { Blobs } from '../blob/blobs.ts'
import type { Configs } from '../config/configs.ts'
import { columnIssue, keyColumns } from '../data/agreed.ts'
import type { FeatureCollection } from '../data/geojson.ts'
import { ChapkitError, type ErrorCode, toError, validationError } from '../errors.ts'
import { isUlid } from '../kernel/id.ts'
import { show, showNames } from '../kernel/show.ts'
import { additionalCovariates } from './covariates.ts'
import { readInSlices } from './frame-slices.ts'
import { atHorizon, checkBounds, checkMismatch, type Horizon, resolveHorizon } from './horizon.ts'
import type { MLServiceInfo } from './info.ts'
import type { Intake, PredictIntake, TakenBytes, TakenFrame, TrainIntake } from './intake.ts'
import { findModel } from './model-file.ts'
import type { Diagnostic, ModelRunner } from './runner.ts'

export interface ValidateDeps {
  configs: Configs
  artifacts: Artifacts
  blobs: Blobs
  runner: ModelRunner
  info: MLServiceInfo
  /** Brings more columns of a frame to numbers; throws 422 with the cells that are none. */
  agree: (frame: TakenFrame, numeric: readonly string[], loc: string[]) => Promise<TakenFrame>
  onError: (error: unknown, message: string) => void
}

/** What a run needs besides its data, found while validating it. */
export interface Prepared {
  config: Record<string, unknown>
  configId: string
  /** How many periods the run is to forecast; null where nobody says. */
  horizon: Horizon | null
}

export interface Verdict {
  diagnostics: Diagnostic[]
  /** There when nothing stands against the run. */
  prepared: Prepared | null
}

/** Status of the answer when a submit is refused for a finding; 422 for the others. */
const refusals: Readonly<Record<string, ErrorCode>> = {
  config_not_found: 'not-found',
  training_artifact_not_found: 'not-found',
  invalid_training_artifact: 'conflict',
  training_artifact_failed: 'conflict',
  training_workspace_corrupted: 'conflict',
  model_pickle_missing: 'conflict',
  model_pickle_corrupted: 'conflict',
}

export type Validation = ReturnType<typeof createValidation>

/** The checks of a run before it is one: the same for `$validate` and for every submit. */
export function createValidation({
  configs,
  artifacts,
  blobs,
  runner,
  info,
  agree,
  onError,
}: ValidateDeps) {
  /** Whether a frame has the covariates of the service and of the config, as numbers; gives it with those converted. */
  async function checkCovariates(
    frame: TakenFrame,
    field: string,
    config: Record<string, unknown>,
    diagnostics: Diagnostic[],
  ): Promise<TakenFrame> {
    const additional = additionalCovariates(config)
    const columns = new Set(frame.columns)
    const missing = [...new Set([...info.required_covariates, ...additional])].filter(
      (name) => !columns.has(name),
    )
    if (missing.length > 0) diagnostics.push(lacking(missing, frame, field))
    const notNumeric = new Set(frame.notNumeric)
    const unlike = additional.filter((name) => notNumeric.has(name))
    if (unlike.length === 0) return frame
    try {
      return await agree(frame, unlike, [field])
    } catch (error) {
      const found = columnFindings(error)
      if (found === null) throw error
      diagnostics.push(...found)
      return frame
    }
  }

  async function validateTrain(intake: TrainIntake): Promise<Verdict> {
    const diagnostics: Diagnostic[] = []
    const stored = await configs.find(intake.configId)
    if (!stored) {
      return stop('config_not_found', `Config ${intake.configId} not found`, 'config_id')
    }
    let config: Record<string, unknown> | null = null
    try {
      config = await configs.parse(stored, ['config'])
    } catch (error) {
      if (!(error instanceof ChapkitError)) throw error
      for (const issue of error.issues ?? []) {
        diagnostics.push(finding('config_invalid', issue.msg, issue.loc.join('.')))
      }
    }
    const horizon = resolveHorizon(intake.asked, null, config ?? {})
    if (config) diagnostics.push(...checkBounds(horizon, info))
    if (intake.data.rows === 0) {
      diagnostics.push(finding('data_empty', 'Training data is empty', 'data'))
    } else if (config) {
      intake.data = await checkCovariates(intake.data, 'data', config, diagnostics)
      diagnostics.push(...findOddities(intake.data, 'data', info))
    }
    if (config && !hasError(diagnostics) && runner.validateTrain) {
      const data = await readInSlices(intake.data.bytes)
      const context = { config: atHorizon(config, horizon), data, geo: await toGeo(intake.geo) }
      diagnostics.push(...(await runner.validateTrain(context)))
    }
    return { diagnostics, prepared: config && { config, configId: stored.id, horizon } }
  }

  async function validatePredict(intake: PredictIntake, thorough: boolean): Promise<Verdict> {
    const id = intake.artifactId
    const row = await artifacts.find(id)
    if (!row) {
      return stop('training_artifact_not_found', `Training artifact ${id} not found`, 'artifact_id')
    }
    const lineage = trainingLineage(row)
    if (typeof lineage === 'string')
      return stop('invalid_training_artifact', lineage, 'artifact_id')
    const { metadata, config, configId } = lineage
    if (metadata.status === 'failed') {
      const message = `Training artifact ${id} failed training (exit_code=${metadata.exit_code}); cannot predict with it`
      return stop('training_artifact_failed', message, 'artifact_id')
    }
    const diagnostics: Diagnostic[] = []
    const { asked, futurePeriods } = intake
    const horizon = resolveHorizon(asked, futurePeriods, config)
    diagnostics.push(...checkBounds(horizon, info), ...checkMismatch(asked, futurePeriods))
    const damage = await checkWorkspace(row, thorough)
    if (damage) diagnostics.push(damage)
    if (intake.historic.rows === 0) {
      // A warning: models that need no history are asked without one.
      diagnostics.push({
        ...finding('historic_empty', 'Historic data is empty', 'historic'),
        severity: 'warning',
      })
    } else {
      intake.historic = await checkCovariates(intake.historic, 'historic', config, diagnostics)
      diagnostics.push(...findOddities(intake.historic, 'historic', info))
    }
    if (intake.future.rows === 0) {
      diagnostics.push(finding('future_empty', 'Future data is empty', 'future'))
    } else {
      intake.future = await checkCovariates(intake.future, 'future', config, diagnostics)
      diagnostics.push(...findOddities(intake.future, 'future', info))
    }
    if (!hasError(diagnostics) && runner.validatePredict) {
      const frames = {
        historic: await readInSlices(intake.historic.bytes),
        future: await readInSlices(intake.future.bytes),
      }
      const context = {
        config: atHorizon(config, horizon),
        ...frames,
        geo: await toGeo(intake.geo),
      }
      diagnostics.push(...(await runner.validatePredict(context)))
    }
    return { diagnostics, prepared: { config, configId, horizon } }
  }

  /** Whether the model is there; `thorough` also reads it and compares its hash. */
  async function checkWorkspace(row: ArtifactRow, thorough: boolean): Promise<Diagnostic | null> {
    const corrupted = finding(
      'training_workspace_corrupted',
      `Training artifact ${row.id} has empty or non-binary workspace content`,
      'artifact_id',
    )
    if (row.content_kind !== 'workspace' || row.content_hash === null) return corrupted
    let files: ManifestEntry[]
    try {
      files = await readManifest(blobs, row.content_hash)
    } catch (error) {
      onError(error, 'ml.workspace.damaged')
      return corrupted
    }
    if (runner.keeps !== 'value') return null
    const model = findModel(files)
    if (!model) {
      const message = `Training artifact ${row.id} has no model file in its workspace`
      return finding('model_pickle_missing', message, 'artifact_id')
    }
    try {
      if (!thorough) await blobs.facts(model.sha256)
      else if ((await hashOf(await blobs.stream(model.sha256))) !== model.sha256)
        throw new Error('hash differs')
      return null
    } catch (error) {
      onError(error, 'ml.model.damaged')
      const message = `The model file of training artifact ${row.id} is damaged or gone`
      return finding('model_pickle_corrupted', message, 'artifact_id')
    }
  }

  return {
    /** All findings; `thorough` reads the whole model, which a submit leaves to the run. */
    validate: (intake: Intake, options: { thorough: boolean }): Promise<Verdict> =>
      intake.type === 'train' ? validateTrain(intake) : validatePredict(intake, options.thorough),
  }
}

/** What a submit is refused with when validation found an error. */
export function toRefusal(diagnostics: readonly Diagnostic[]): ChapkitError | null {
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  const [first] = errors
  if (!first) return null
  const code = refusals[first.code]
  if (code) return new ChapkitError(code, first.message)
  return validationError(
    errors.map(({ code: type, message: msg, field }) => {
      const path = field?.split('.').map(toPart) ?? []
      return { loc: path[0] === 'query' ? path : ['body', ...path], msg, type }
    }),
  )
}

/** A part of a place: rows and columns are numbers. */
const toPart = (part: string): string | number => (/^\d+$/.test(part) ? Number(part) : part)

export const hasError = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some(({ severity }) => severity === 'error')

function finding(code: string, message: string, field: string): Diagnostic {
  return { severity: 'error', code, message: message.slice(0, 2048), field }
}

function stop(code: string, message: string, field: string): Verdict {
  return { diagnostics: [finding(code, message, field)], prepared: null }
}

/** Findings of a refusal that is about what columns hold; null for any other error. */
export function columnFindings(error: unknown): Diagnostic[] | null {
  if (!(error instanceof ChapkitError) || error.issues === undefined) return null
  if (!error.issues.every(({ type }) => type === columnIssue)) return null
  return error.issues.map(({ loc, msg }) =>
    finding(columnIssue, msg, loc.filter((part, at) => at > 0 || part !== 'body').join('.')),
  )
}

function lacking(missing: readonly string[], { columns }: TakenFrame, field: string): Diagnostic {
  const names = (list: readonly string[]) => list.map((name) => `\`${name}\``).join(', ')
  const message = `Expected the covariates ${names(missing)} in ${field}, got the columns ${showNames(columns)}`
  return finding('required_covariates_missing', message, field)
}

/** What most models do not understand, though one may. */
function findOddities(
  { columns, periods }: TakenFrame,
  field: string,
  { period_type }: MLServiceInfo,
): Diagnostic[] {
  const warning = (code: string, message: string, place: string): Diagnostic => ({
    ...finding(code, message, place),
    severity: 'warning',
  })
  const missing = keyColumns.filter((name) => !columns.includes(name))
  const found = missing.map((name) => {
    const message = `Expected a column \`${name}\` in ${field}, which models go by, got ${columns.map(show).join(', ')}`
    return warning('key_column_missing', message, field)
  })
  const wanted = period_type === 'any' ? null : period_type === 'weekly' ? 'week' : 'month'
  for (const { row, text, kind } of periods) {
    const place = `${field}.data.${row}.${columns.indexOf('time_period')}`
    const where = `in column \`time_period\`, row ${row}, got ${show(text)}`
    if (kind === null) {
      const message = `Expected a period such as 2024-01 or 2024-W05 ${where}`
      found.push(warning('period_unknown', message, place))
    } else if (wanted !== null && kind !== wanted) {
      const message = `Expected a ${wanted}, as this service is ${period_type}, ${where}, which is a ${kind}`
      found.push(warning('period_type_mismatch', message, place))
    }
  }
  return found
}

interface TrainingLineage {
  metadata: { status?: unknown; exit_code?: unknown }
  config: Record<string, unknown>
  configId: string
}

/** What a training left behind for its predictions, or what is wrong with the artifact. */
function trainingLineage(row: ArtifactRow): TrainingLineage | string {
  if (row.ml_type !== 'ml_training_workspace')
    return `Artifact ${row.id} is not a training artifact`
  const { metadata = {} } = JSON.parse(row.data) as { metadata?: Record<string, unknown> }
  const configId = metadata.config_id
  if (configId === undefined) return `Training artifact ${row.id} is missing config_id in metadata`
  if (!isUlid(configId)) {
    return `Training artifact ${row.id} has a malformed config_id in metadata: '${String(configId)}'`
  }
  const { config } = JSON.parse(row.lineage ?? '{}') as { config?: Record<string, unknown> }
  return { metadata, config: config ?? {}, configId }
}

/** Piece by piece: a model may be large, and nobody is kept waiting meanwhile. */
async function hashOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

async function toGeo(taken: TakenBytes | null): Promise<FeatureCollection | null> {
  return taken && ((await readJsonInSlices(taken.bytes)) as FeatureCollection)
}

/** A failing hook is the model author's bug: named by its kind, its text stays in the log. */
export function hookFailure(thrown: unknown): ChapkitError {
  const error = toError(thrown)
  return new ChapkitError('internal', `Validation failed: ${error.name}`, { cause: error })
}
