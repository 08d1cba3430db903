import { fileURLToPath } from 'node:url'
import { BaseConfig, type BaseConfigInput } from '../config/schema.ts'
import type {
  Adapters,
  ConfigSchema,
  Diagnostic,
  ScriptLimits,
  Scripts,
  ValidatePredictContext,
  ValidateTrainContext,
  WorkspaceRunner,
} from '../ml/runner.ts'
import { parseCommand } from './command.ts'
import { toEnvironment } from './environment.ts'

export interface ShellModelOptions<Config, Input = unknown> {
  /**
   * Schema of the model's config; extend `BaseConfig`.
   * @default BaseConfig
   */
  config?: ConfigSchema<Config, Input>
  /**
   * Trains: it reads `data.csv`, `config.yml` and perhaps `geo.json`, and leaves whatever the prediction needs. Placeholders:
   * `{data_file}`, `{geo_file}`. A text is split into words as a shell would do it; a list is taken as it is.
   */
  trainCommand: string | readonly string[]
  /**
   * Predicts: it finds the folder as training left it, with `historic.csv` and `future.csv`, and writes `predictions.csv`.
   * Placeholders: `{historic_file}`, `{future_file}`, `{output_file}`, `{geo_file}`.
   */
  predictCommand: string | readonly string[]
  /**
   * Layout of `config.yml`: `flat` has all fields on top; `chap_core` has `prediction_periods` and
   * `additional_continuous_covariates` on top and all others under `user_option_values`.
   * @default 'flat'
   */
  configFormat?: 'flat' | 'chap_core'
  /**
   * Further columns of the CSV files, by name: each a copy of the column that is named, or `year`, `month` or `week` of the
   * period. The month is there for months only, the week for weeks only; what is to be copied and is not there is left out.
   *
   * @example
   * ```ts
   * adapters: { Cases: 'disease_cases', E: 'population', year: 'year', month: 'month' }
   * ```
   */
  adapters?: Adapters
  /**
   * Folder of the scripts: a path or a file URL. What `.gitignore` and `.chapkitignore` name stays out.
   * @default the folder of the service file, or the current one without a service file
   */
  project?: string | URL
  /**
   * Runs each command with `/bin/sh -c`, for pipes, variables and `&&`.
   * @default false
   */
  shell?: boolean
  /**
   * Seconds that a command may run; it is stopped then and its job fails.
   * @default no limit
   */
  timeoutSeconds?: number
  /** Bounds on each process of a command, by default none. `processes` has no effect for root. */
  limits?: Partial<ScriptLimits>
  /**
   * Environment variables besides the usual ones (`PATH`, `HOME`, those of R, Python and Julia, those that change numbers): a list
   * of names that are passed on, or names with values; `true` as value passes a name on. Their names are kept in the lineage. The
   * locale of scripts is chosen by the service; only a value changes it.
   */
  env?: readonly string[] | Readonly<Record<string, string | true>>
  /** Findings of the model's own, after those of the service, for `$validate` and at submit. */
  onValidateTrain?: (context: ValidateTrainContext<Config>) => Diagnostic[] | Promise<Diagnostic[]>
  onValidatePredict?: (
    context: ValidatePredictContext<Config>,
  ) => Diagnostic[] | Promise<Diagnostic[]>
}

/**
 * A model made of two commands, in any language.
 *
 * @example
 * ```ts
 * const runner = new ShellModelRunner({
 *   trainCommand: 'Rscript train.R {data_file}',
 *   predictCommand: 'Rscript predict.R {historic_file} {future_file} {output_file}',
 * })
 * ```
 */
export class ShellModelRunner<Config = BaseConfig, Input = BaseConfigInput>
  implements WorkspaceRunner<Config, Input>
{
  readonly contract = 1
  readonly keeps = 'workspace'
  readonly inputs = 'forecast'
  readonly config: ConfigSchema<Config, Input>
  readonly scripts: Scripts
  readonly validateTrain?: NonNullable<WorkspaceRunner<Config>['validateTrain']>
  readonly validatePredict?: NonNullable<WorkspaceRunner<Config>['validatePredict']>

  /** Throws when a command or an option cannot be used, and says why. */
  constructor(options: ShellModelOptions<Config, Input>) {
    const { configFormat = 'flat', project, shell = false, timeoutSeconds, limits } = options
    if (timeoutSeconds !== undefined && !(timeoutSeconds > 0 && timeoutSeconds <= maximumSeconds)) {
      throw new Error(
        `Expected timeoutSeconds above 0 and up to ${maximumSeconds}, got ${timeoutSeconds}`,
      )
    }
    this.config = options.config ?? (BaseConfig as unknown as ConfigSchema<Config, Input>)
    this.scripts = {
      train: parseCommand(options.trainCommand, { kind: 'train', shell }),
      predict: parseCommand(options.predictCommand, { kind: 'predict', shell }),
      configFormat,
      adapters: toAdapters(options.adapters),
      project: toPath(project),
      timeoutMs: timeoutSeconds === undefined ? null : timeoutSeconds * 1000,
      limits: toLimits(limits),
      environment: toEnvironment(options.env),
    }
    if (options.onValidateTrain) this.validateTrain = options.onValidateTrain
    if (options.onValidatePredict) this.validatePredict = options.onValidatePredict
  }
}

/** Longer than a timer of Node can wait. */
const maximumSeconds = 2_000_000

const noLimits: ScriptLimits = {
  memoryBytes: null,
  cpuSeconds: null,
  processes: null,
  fileBytes: null,
}

function toLimits(limits: Partial<ScriptLimits> = {}): ScriptLimits {
  for (const [name, value] of Object.entries(limits)) {
    if (!(name in noLimits))
      throw new Error(`Expected the limits ${Object.keys(noLimits).join(', ')}, got ${name}`)
    if (value !== null && !(Number.isSafeInteger(value) && value > 0))
      throw new Error(`Expected a whole number above 0 as limits.${name}, got ${value}`)
  }
  return { ...noLimits, ...limits }
}

function toAdapters(adapters: Adapters = {}): Adapters {
  for (const [name, source] of Object.entries(adapters)) {
    if (name !== '' && typeof source === 'string' && source !== '') continue
    throw new Error(
      `Expected adapters as names of columns and what each is made of, such as { Cases: 'disease_cases' }, got ${JSON.stringify({ [name]: source })}`,
    )
  }
  return { ...adapters }
}

function toPath(project: string | URL | undefined): string | null {
  if (project === undefined) return null
  return project instanceof URL || project.startsWith('file:') ? fileURLToPath(project) : project
}
